package io.github.pyflinktriton.compat;

import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.logical.LogicalType;

import java.lang.reflect.Field;
import java.util.List;
import java.util.stream.Collectors;

/** Finds the types of the arguments that a call gives. */
public final class ArgumentTypes {

    static final String ORIGINAL = "originalContext";

    private ArgumentTypes() {}

    /**
     * Where a signature is named, Flink shows an input strategy the declared types. The types that
     * the call gives are in the context that this one wraps.
     */
    public static List<LogicalType> of(CallContext context) {
        return original(context).getArgumentDataTypes().stream()
                .map(DataType::getLogicalType)
                .collect(Collectors.toList());
    }

    /** The wrapped context, which knows the types that the call gives. */
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
