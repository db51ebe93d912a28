package io.github.pyflinktriton;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;

/** Stands in for a model that may be there, while its server cannot be asked; fails when called. */
public final class UnknownFunction extends ScalarFunction {

    private static final long serialVersionUID = 1L;

    private final String message;

    UnknownFunction(String name, String reason) {
        message =
                "No function '"
                        + name
                        + "' is known, and whether there is a model of that name cannot be asked: "
                        + reason;
    }

    /** For Flink, which wants one. */
    public Object eval(Object... arguments) {
        throw new StatementException(message);
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(InputTypeStrategies.WILDCARD)
                .outputTypeStrategy(
                        context -> {
                            throw new StatementException(message);
                        })
                .build();
    }
}
