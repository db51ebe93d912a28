package io.github.pyflinktriton.function;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.AsyncDefaults;
import io.github.pyflinktriton.compat.ForwardedNulls;
import io.github.pyflinktriton.compat.JobFiles;
import io.github.pyflinktriton.compat.PlannerParts;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PredictWorker;
import io.github.pyflinktriton.worker.PythonCommands;
import io.github.pyflinktriton.worker.WorkerClient;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.AsyncScalarFunction;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.logical.LogicalType;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** {@code m(x)} in streaming: hands each row to the instance's worker and returns at once. */
public final class TritonAsyncScalarFunction extends AsyncScalarFunction
        implements SpecializedFunction {

    private static final long serialVersionUID = 1L;

    private final transient ModelFunction function;
    private final ModelCall call;
    private final PythonCommands python;
    private transient PredictWorker worker;
    private transient RowData.FieldGetter only;

    public TritonAsyncScalarFunction(ModelFunction function) {
        this(function, null, function.python());
    }

    private TritonAsyncScalarFunction(
            ModelFunction function, ModelCall call, PythonCommands python) {
        this.function = function;
        this.call = call;
        this.python = python;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        StatementException.throwIfPresent(PlannerParts.objection());
        StatementException.throwIfPresent(ForwardedNulls.objection());
        return function.typeInference();
    }

    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        List<LogicalType> types =
                context.getCallContext().getArgumentDataTypes().stream()
                        .map(DataType::getLogicalType)
                        .collect(Collectors.toList());
        ReadableConfig statement = context.getConfiguration();
        return new TritonAsyncScalarFunction(
                function,
                function.call(types, statement).within(AsyncDefaults.scalarLimit(statement)),
                PythonCommands.of(statement, System.getenv()));
    }

    /** Flink uses it where it computes a row again, as for a retraction. */
    @Override
    public boolean isDeterministic() {
        return function.isDeterministic();
    }

    /**
     * All positions: for an async function Flink makes the result NULL where an argument is NULL.
     */
    int[] strictArguments() {
        return function.strictArguments(true);
    }

    /** False, because planning must never call a model, deterministic or not. */
    @Override
    public boolean supportsConstantFolding() {
        return false;
    }

    @Override
    public void open(FunctionContext context) {
        worker =
                PredictWorker.open(
                        call,
                        python.inTask(new JobFiles(context)),
                        context.getTaskInfo(),
                        context.getMetricGroup(),
                        WorkerClient.SILENCE_LIMIT);
        only =
                call.output.getFieldCount() == 1
                        ? RowData.createFieldGetter(call.output.getTypeAt(0), 0)
                        : null;
    }

    public void eval(CompletableFuture<Object> future, Object... arguments) {
        try {
            worker.predict(arguments, new RowFuture(future, only));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            future.completeExceptionally(e);
        }
    }

    @Override
    public void close() {
        if (worker != null) {
            worker.close();
            worker = null;
        }
    }
}
