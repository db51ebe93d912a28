package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.StatementException;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.apache.flink.table.api.config.ExecutionConfigOptions.RetryStrategy;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;
import java.util.function.BinaryOperator;

/**
 * Sets the options of async functions whose defaults do not suit models, where the user set
 * nothing.
 */
public final class AsyncDefaults {

    private static final ConfigOption<RetryStrategy> SCALAR_RETRY =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_RETRY_STRATEGY;

    private static final ConfigOption<Duration> SCALAR_TIMEOUT =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_TIMEOUT;

    /** What this class has set in each session: a value equal to it was not set by the user. */
    private static final Map<TableConfig, Map<ConfigOption<?>, Object>> SET_HERE =
            new WeakHashMap<>();

    private AsyncDefaults() {}

    /** For ML_PREDICT. */
    public static void raise(ReadableConfig session, JsonNode answer) {
        raise(
                session,
                answer.path("capacity").asInt(),
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS);
        lift(session, ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT);
    }

    /** For {@code m(x)}, when it is known how many rows the model takes. */
    public static void raiseScalar(ReadableConfig session, JsonNode answer) {
        prepareScalar(session);
        if (answer.has("no_retry") && session.get(SCALAR_RETRY) != RetryStrategy.NO_RETRY) {
            throw new StatementException(answer.path("no_retry").asText());
        }
        raise(
                session,
                answer.path("capacity").asInt(),
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_MAX_CONCURRENT_OPERATIONS);
    }

    /** For {@code m(x)}: Python retries, so that Flink must not. */
    public static void prepareScalar(ReadableConfig session) {
        set(session, SCALAR_RETRY, RetryStrategy.NO_RETRY, (wanted, current) -> wanted);
        // Flink needs a time-out for its retries.
        boolean isRetried = session.get(SCALAR_RETRY) != RetryStrategy.NO_RETRY;
        set(
                session,
                SCALAR_TIMEOUT,
                isRetried ? SCALAR_TIMEOUT.defaultValue() : Duration.ZERO,
                (wanted, current) -> wanted);
    }

    /** The time-out for rows of ML_PREDICT in Flink's operator, where the user has set one. */
    public static Optional<Duration> limit(ReadableConfig session) {
        return ofUser(session, ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT);
    }

    /** The same for {@code m(x)}. */
    public static Optional<Duration> scalarLimit(ReadableConfig session) {
        return ofUser(session, SCALAR_TIMEOUT);
    }

    private static Optional<Duration> ofUser(
            ReadableConfig session, ConfigOption<Duration> option) {
        synchronized (SET_HERE) {
            Object setHere =
                    StatementConfig.of(session)
                            .map(SET_HERE::get)
                            .map(known -> known.get(option))
                            .orElse(null);
            return session.getOptional(option)
                    .filter(set -> !set.isZero() && !set.equals(setHere));
        }
    }

    private static void raise(
            ReadableConfig session, int wanted, ConfigOption<Integer> capacity) {
        set(session, capacity, wanted, Math::max);
    }

    private static void lift(ReadableConfig session, ConfigOption<Duration> timeout) {
        // Zero means none: Python limits every row, and a timer for each row costs a tenth of the
        // task's time.
        set(session, timeout, Duration.ZERO, (wanted, current) -> wanted);
    }

    private static <T> void set(
            ReadableConfig session, ConfigOption<T> option, T wanted, BinaryOperator<T> choose) {
        StatementConfig.of(session).ifPresent(config -> set(config, option, wanted, choose));
    }

    private static <T> void set(
            TableConfig config, ConfigOption<T> option, T wanted, BinaryOperator<T> choose) {
        synchronized (SET_HERE) {
            Map<ConfigOption<?>, Object> setHere =
                    SET_HERE.computeIfAbsent(config, unknown -> new HashMap<>());
            Optional<T> current = config.getOptional(option);
            boolean isSetByUser = current.isPresent() && !current.get().equals(setHere.get(option));
            if (!isSetByUser) {
                T chosen = choose.apply(wanted, config.get(option));
                config.set(option, chosen);
                setHere.put(option, chosen);
            }
        }
    }
}
