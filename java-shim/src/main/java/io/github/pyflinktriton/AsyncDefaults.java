package io.github.pyflinktriton;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.config.ExecutionConfigOptions;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;
import java.util.function.BinaryOperator;

/** Sets what Flink's defaults for async ML_PREDICT are too low for, where the user set nothing. */
final class AsyncDefaults {

    private static final ConfigOption<Integer> CAPACITY =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS;
    private static final ConfigOption<Duration> TIMEOUT =
            ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT;

    /** What we set stays in the session, so a value equal to it is not the user's. */
    private static final Map<TableConfig, Map<ConfigOption<?>, Object>> OURS = new WeakHashMap<>();

    private AsyncDefaults() {}

    static void raise(ReadableConfig session, JsonNode answer) {
        // Flink passes the session's own configuration; any other kind is left as it is.
        if (session instanceof TableConfig) {
            TableConfig config = (TableConfig) session;
            set(config, CAPACITY, answer.path("capacity").asInt(), Math::max);
            // Zero is none: Python's own limits end every row, and a timer a row costs a tenth of the task's time.
            set(config, TIMEOUT, Duration.ZERO, (ours, flinks) -> ours);
        }
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
