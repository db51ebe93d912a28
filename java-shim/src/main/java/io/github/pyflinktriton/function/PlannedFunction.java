package io.github.pyflinktriton.function;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.model.ModelFunctionDefinition;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.AsyncScalarFunction;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.types.inference.TypeInference;

import java.util.concurrent.CompletableFuture;

/**
 * {@code m(x)} in streaming while a statement is planned. It has no state, so that Flink writes it
 * into compiled plans by the name of its class. Where a plan is loaded, the catalog gives the
 * model.
 */
public final class PlannedFunction extends AsyncScalarFunction
        implements ModelFunctionDefinition, SpecializedFunction {

    private static final long serialVersionUID = 1L;

    private final transient TritonAsyncScalarFunction function;

    /** For Flink, where the catalog of a plan is not in the session. */
    public PlannedFunction() {
        this(null);
    }

    public PlannedFunction(TritonAsyncScalarFunction function) {
        this.function = function;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return function().getTypeInference(typeFactory);
    }

    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        return function().specialize(context);
    }

    @Override
    public int[] strictArguments() {
        return function().strictArguments();
    }

    @Override
    public boolean isDeterministic() {
        return function == null || function.isDeterministic();
    }

    @Override
    public boolean supportsConstantFolding() {
        return false;
    }

    /** Flink requires this method; the specialized function is called instead. */
    public void eval(CompletableFuture<Object> future, Object... arguments) {
        function();
    }

    private TritonAsyncScalarFunction function() {
        if (function == null) {
            throw new StatementException(
                    "This compiled plan calls a model as a function, and its catalog does not give "
                            + "it here. Attach the server before the plan is loaded, by connect() "
                            + "or CREATE CATALOG, under the name that the catalog had, and leave "
                            + "'table.plan.restore.catalog-objects' at ALL or IDENTIFIER.");
        }
        return function;
    }
}
