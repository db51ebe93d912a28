package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.StatementException;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.FunctionKind;
import org.apache.flink.table.types.inference.TypeInference;

/** Takes the place of a model while its server cannot be asked; a call of it fails. */
final class UnknownFunction implements FunctionDefinition {

    private final String message;

    UnknownFunction(String name, String reason) {
        message =
                String.format(
                        "No function '%s' is known, and the server cannot be asked whether it "
                                + "has a model of that name: %s A CREATE MODEL with INPUT and "
                                + "OUTPUT makes it a function without the server.",
                        name, reason);
    }

    /** Flink accepts this kind in every place until it asks for the types. */
    @Override
    public FunctionKind getKind() {
        return FunctionKind.TABLE;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        throw new StatementException(message);
    }
}
