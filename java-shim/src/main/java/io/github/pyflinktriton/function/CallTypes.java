package io.github.pyflinktriton.function;

import io.github.pyflinktriton.compat.ArgumentTypes;
import io.github.pyflinktriton.compat.ModelPlans;
import io.github.pyflinktriton.compat.StatementConfig;
import io.github.pyflinktriton.model.ModelCall;

import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.ArgumentCount;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.ConstantArgumentCount;
import org.apache.flink.table.types.inference.InputTypeStrategy;
import org.apache.flink.table.types.inference.Signature;
import org.apache.flink.table.types.inference.TypeStrategy;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.DataTypeUtils;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Gives each call of a model's function the types that Python chose for it. */
final class CallTypes implements InputTypeStrategy, TypeStrategy {

    private final ModelFunction function;
    private final List<LogicalType> hidden;

    CallTypes(ModelFunction function, List<LogicalType> hidden) {
        this.function = function;
        this.hidden = hidden;
    }

    @Override
    public Optional<List<DataType>> inferInputTypes(CallContext context, boolean throwOnFailure) {
        StatementConfig.of(context).ifPresent(ModelPlans::install);
        try {
            List<LogicalType> types =
                    new ArrayList<>(call(context).arguments.getChildren());
            types.addAll(hidden);
            return Optional.of(
                    types.stream()
                            .map(type -> DataTypeUtils.toInternalDataType(type.copy(true)))
                            .collect(Collectors.toList()));
        } catch (ValidationException e) {
            if (throwOnFailure) {
                throw e;
            }
            return Optional.empty();
        }
    }

    @Override
    public Optional<DataType> inferType(CallContext context) {
        RowType output = call(context).output;
        LogicalType result = output.getFieldCount() == 1 ? output.getTypeAt(0) : output;
        return Optional.of(DataTypeUtils.toInternalDataType(result.copy(true)));
    }

    private ModelCall call(CallContext context) {
        List<LogicalType> given = ArgumentTypes.of(context);
        return function.call(given.subList(0, Math.max(0, given.size() - hidden.size())));
    }

    /** The static arguments limit the number. */
    @Override
    public ArgumentCount getArgumentCount() {
        return ConstantArgumentCount.any();
    }

    @Override
    public List<Signature> getExpectedSignatures(FunctionDefinition definition) {
        return List.of(Signature.of(Signature.Argument.of("*")));
    }
}
