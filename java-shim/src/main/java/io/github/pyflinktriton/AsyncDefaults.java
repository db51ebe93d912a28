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

/** Raises Flink's defaults for async ML_PREDICT, too low for batches, where the user set none. */
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
            raise(config, CAPACITY, answer.path("capacity").asInt());
            raise(config, TIMEOUT, Duration.ofMillis(answer.path("timeout_ms").asLong()));
        }
    }

    private static <T extends Comparable<T>> void raise(
            TableConfig config, ConfigOption<T> option, T wanted) {
        synchronized (OURS) {
            Map<ConfigOption<?>, Object> ours =
                    OURS.computeIfAbsent(config, unknown -> new HashMap<>());
            Optional<T> current = config.getOptional(option);
            boolean users = current.isPresent() && !current.get().equals(ours.get(option));
            if (!users && wanted.compareTo(config.get(option)) > 0) {
                config.set(option, wanted);
                ours.put(option, wanted);
            }
        }
    }
}
