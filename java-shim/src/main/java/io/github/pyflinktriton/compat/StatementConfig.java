package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.StatementException;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.types.inference.CallContext;

import java.lang.reflect.Field;
import java.util.Optional;

/** Finds the options of the statement that is being planned, which are set and read there. */
public final class StatementConfig {

    static final String SHORTCUTS =
            "org.apache.flink.table.planner.utils.ShortcutUtils";

    static final String UNWRAP = "unwrapTableConfig";
    static final String BINDING = "val$binding";
    static final String CLUSTER = "relOptCluster";
    private static final String VALIDATED = "CallBindingCallContext";

    private StatementConfig() {}

    /**
     * Empty for the options of a session of the SQL gateway: each statement copies them when it
     * begins.
     */
    public static Optional<TableConfig> of(ReadableConfig given) {
        if (given instanceof TableConfig) {
            return Optional.of((TableConfig) given);
        }
        // While Flink generates code, the options are in a wrapper that can only be read.
        for (Field field : given.getClass().getDeclaredFields()) {
            if (field.getType() == ReadableConfig.class) {
                Object wrapped = read(field, given);
                if (wrapped instanceof TableConfig) {
                    return Optional.of((TableConfig) wrapped);
                }
            }
        }
        return Optional.empty();
    }

    /** The options for a call that is being validated; empty in later steps of planning. */
    public static Optional<TableConfig> of(CallContext call) {
        CallContext original = ArgumentTypes.original(call);
        if (!original.getClass().getSimpleName().equals(VALIDATED)) {
            return Optional.empty();
        }
        try {
            Object types = original.getArgumentDataTypes();
            Field field = types.getClass().getDeclaredField(BINDING);
            field.setAccessible(true);
            Object binding = field.get(types);
            Object validator = binding.getClass().getMethod("getValidator").invoke(binding);
            Field clusters = validator.getClass().getDeclaredField(CLUSTER);
            clusters.setAccessible(true);
            Object cluster = clusters.get(validator);
            ClassLoader planner = validator.getClass().getClassLoader();
            Object config =
                    Class.forName(SHORTCUTS, true, planner)
                            .getMethod(UNWRAP, clusters.getType())
                            .invoke(null, cluster);
            return Optional.of((TableConfig) config);
        } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
            throw new StatementException(
                    "A model cannot be called here, because the options of the statement cannot be "
                            + "read from Flink's planner ("
                            + RootCause.of(e)
                            + "). Use ML_PREDICT.");
        }
    }

    private static Object read(Field field, Object object) {
        try {
            field.setAccessible(true);
            return field.get(object);
        } catch (ReflectiveOperationException | RuntimeException e) {
            Log.LOG.debug("{} cannot be read.", field, e);
            return null;
        }
    }
}
