package io.github.pyflinktriton.compat;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.ArgumentCount;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.ConstantArgumentCount;
import org.apache.flink.table.types.inference.InputTypeStrategy;
import org.apache.flink.table.types.inference.Signature;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Leaves bytes as they are where they are given for text; Flink checks and casts the rest. */
final class BytesForText implements InputTypeStrategy {

    private final int[] places;

    private BytesForText(int[] places) {
        this.places = places;
    }

    /** The same inference, which also takes bytes at these places. */
    static TypeInference at(int[] places, TypeInference declared) {
        return TypeInference.newBuilder()
                .staticArguments(declared.getStaticArguments().orElseThrow())
                .inputTypeStrategy(new BytesForText(places))
                .outputTypeStrategy(declared.getOutputTypeStrategy())
                .build();
    }

    @Override
    public Optional<List<DataType>> inferInputTypes(CallContext context, boolean throwOnFailure) {
        List<DataType> given = ArgumentTypes.original(context).getArgumentDataTypes();
        List<DataType> types = new ArrayList<>(context.getArgumentDataTypes());
        for (int place : places) {
            LogicalType declared = types.get(place).getLogicalType();
            if (isBytes(given.get(place).getLogicalType(), declared)) {
                types.set(place, given.get(place));
            }
        }
        return Optional.of(types);
    }

    private static boolean isBytes(LogicalType given, LogicalType declared) {
        if (declared.is(LogicalTypeRoot.ARRAY)) {
            return given.is(LogicalTypeRoot.ARRAY)
                    && isBytes(given.getChildren().get(0), declared.getChildren().get(0));
        }
        return given.is(LogicalTypeFamily.BINARY_STRING);
    }

    /** The static arguments say how many. */
    @Override
    public ArgumentCount getArgumentCount() {
        return ConstantArgumentCount.any();
    }

    @Override
    public List<Signature> getExpectedSignatures(FunctionDefinition definition) {
        return List.of(Signature.of(Signature.Argument.of("*")));
    }
}
