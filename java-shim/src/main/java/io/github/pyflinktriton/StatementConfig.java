package io.github.pyflinktriton;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.TableConfig;

import java.lang.reflect.Field;
import java.util.Optional;

/** Finds the configuration of the statement that is being planned: what is set there holds for it. */
final class StatementConfig {

    private StatementConfig() {}

    /** Empty for a session's of the SQL gateway, which each statement copies when it begins. */
    static Optional<TableConfig> of(ReadableConfig given) {
        if (given instanceof TableConfig) {
            return Optional.of((TableConfig) given);
        }
        // Where Flink generates an operator's code, it has wrapped it to be read only.
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
