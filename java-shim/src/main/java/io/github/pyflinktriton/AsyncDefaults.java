package io.github.pyflinktriton;

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

/** Sets what Flink's defaults for async functions are too low for, where the user set nothing. */
final class AsyncDefaults {

    private static final ConfigOption<RetryStrategy> SCALAR_RETRY =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_RETRY_STRATEGY;

    private static final ConfigOption<Duration> SCALAR_TIMEOUT =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_TIMEOUT;

    /** What we set stays in the session, so a value equal to it is not the user's. */
    private static final Map<TableConfig, Map<ConfigOption<?>, Object>> OURS = new WeakHashMap<>();

    private AsyncDefaults() {}

    /** For ML_PREDICT. */
    static void raise(ReadableConfig session, JsonNode answer) {
        raise(
                session,
                answer.path("capacity").asInt(),
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS);
        lift(session, ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT);
    }

    /** For {@code m(x)}, when it is known how many rows the model takes. */
    static void raiseScalar(ReadableConfig session, JsonNode answer) {
        prepareScalar(session);
        if (answer.has("no_retry") && session.get(SCALAR_RETRY) != RetryStrategy.NO_RETRY) {
            throw new StatementException(answer.path("no_retry").asText());
        }
        raise(
                session,
                answer.path("capacity").asInt(),
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_MAX_CONCURRENT_OPERATIONS);
    }

    /** For {@code m(x)}: Python retries what is worth it, so Flink need not do it again. */
    static void prepareScalar(ReadableConfig session) {
        set(session, SCALAR_RETRY, RetryStrategy.NO_RETRY, (ours, flinks) -> ours);
        // Flink's retries cannot do without a time-out.
        boolean isRetried = session.get(SCALAR_RETRY) != RetryStrategy.NO_RETRY;
        set(
                session,
                SCALAR_TIMEOUT,
                isRetried ? SCALAR_TIMEOUT.defaultValue() : Duration.ZERO,
                (ours, flinks) -> ours);
    }

    /** The user's own time-out for ML_PREDICT's rows in Flink's operator. */
    static Optional<Duration> limit(ReadableConfig session) {
        return users(session, ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT);
    }

    /** The same for {@code m(x)}. */
    static Optional<Duration> scalarLimit(ReadableConfig session) {
        return users(session, SCALAR_TIMEOUT);
    }

    private static Optional<Duration> users(
            ReadableConfig session, ConfigOption<Duration> option) {
        synchronized (OURS) {
            Object ours =
                    StatementConfig.of(session)
                            .map(OURS::get)
                            .map(known -> known.get(option))
                            .orElse(null);
            return session.getOptional(option)
                    .filter(set -> !set.isZero() && !set.equals(ours));
        }
    }

    private static void raise(
            ReadableConfig session, int wanted, ConfigOption<Integer> capacity) {
        set(session, capacity, wanted, Math::max);
    }

    private static void lift(ReadableConfig session, ConfigOption<Duration> timeout) {
        // Zero is none: Python's own limits end every row, and a timer a row costs a tenth of the task's time.
        set(session, timeout, Duration.ZERO, (ours, flinks) -> ours);
    }

    private static <T> void set(
            ReadableConfig session, ConfigOption<T> option, T wanted, BinaryOperator<T> choose) {
        StatementConfig.of(session).ifPresent(config -> set(config, option, wanted, choose));
    }

    private static <T> void set(
            TableConfig config, ConfigOption<T> option, T wanted, BinaryOperator<T> choose) {
        synchronized (OURS) {
            Map<ConfigOption<?>, Object> ours =
                    OURS.computeIfAbsent(config, unknown -> new HashMap<>());
            Optional<T> current = config.getOptional(option);
            boolean isUsers = current.isPresent() && !current.get().equals(ours.get(option));
            if (!isUsers) {
                T chosen = choose.apply(wanted, config.get(option));
                config.set(option, chosen);
                ours.put(option, chosen);
            }
        }
    }
}
