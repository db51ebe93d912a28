package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.StatementException;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.FunctionKind;
import org.apache.flink.table.types.inference.TypeInference;

/** Stands in for a model that may be there, while its server cannot be asked; fails when called. */
final class UnknownFunction implements FunctionDefinition {

    private final String message;

    UnknownFunction(String name, String reason) {
        message =
                String.format(
                        "No function '%s' is known, and whether there is a model of that name "
                                + "cannot be asked: %s A CREATE MODEL with INPUT and OUTPUT makes "
                                + "it a function without that.",
                        name, reason);
    }

    /** Flink lets these stand anywhere until it asks for their types. */
    @Override
    public FunctionKind getKind() {
        return FunctionKind.TABLE;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        throw new StatementException(message);
    }
}
