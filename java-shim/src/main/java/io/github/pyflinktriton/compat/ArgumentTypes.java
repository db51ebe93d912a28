package io.github.pyflinktriton.compat;

import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.logical.LogicalType;

import java.lang.reflect.Field;
import java.util.List;
import java.util.stream.Collectors;

/** Finds the types that a call's arguments really have. */
public final class ArgumentTypes {

    static final String ORIGINAL = "originalContext";

    private ArgumentTypes() {}

    /**
     * Flink shows an input strategy the types of the named signature instead of those given, where
     * there is one; those given are behind it. Without them a call could not choose its types.
     */
    public static List<LogicalType> of(CallContext context) {
        return original(context).getArgumentDataTypes().stream()
                .map(DataType::getLogicalType)
                .collect(Collectors.toList());
    }

    /** The context behind, which knows what is given. */
    static CallContext original(CallContext context) {
        try {
            Field original = context.getClass().getDeclaredField(ORIGINAL);
            original.setAccessible(true);
            return original((CallContext) original.get(context));
        } catch (NoSuchFieldException e) {
            return context;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }
}
