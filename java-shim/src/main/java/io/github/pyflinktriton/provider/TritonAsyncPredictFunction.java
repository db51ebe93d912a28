package io.github.pyflinktriton.provider;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.compat.JobFiles;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PlanningWorker;
import io.github.pyflinktriton.worker.PredictWorker;
import io.github.pyflinktriton.worker.PythonCommands;
import io.github.pyflinktriton.worker.WorkerClient;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** ML_PREDICT's function: hands each row to the instance's worker and returns at once. */
public final class TritonAsyncPredictFunction extends AsyncPredictFunction
        implements SpecializedFunction {

    private static final long serialVersionUID = 1L;

    private final ModelCall call;
    private final PythonCommands python;
    private transient PredictWorker worker;

    TritonAsyncPredictFunction(ModelCall call, PythonCommands python) {
        this.call = call;
        this.python = python;
    }

    /** Only here are the types of the columns known, because Flink casts nothing for ML_PREDICT. */
    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        List<LogicalType> types =
                context.getCallContext().getArgumentDataTypes().stream()
                        .map(DataType::getLogicalType)
                        .collect(Collectors.toList());
        ModelCall typed = call.withArguments(types);
        JsonNode answer = PlanningWorker.of(python.planning).check(typed);
        // Here and not in the factory as well, so that each warning comes once.
        Log.warnings(call.model, answer);
        return new TritonAsyncPredictFunction(typed.planned(answer), python);
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
    }

    /** Overridden because the base class prints a failed row's values. */
    @Override
    public void eval(CompletableFuture<Collection<RowData>> future, Object... args) {
        try {
            worker.predict(args, future);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            future.completeExceptionally(e);
        }
    }

    @Override
    public CompletableFuture<Collection<RowData>> asyncPredict(RowData inputRow) {
        Object[] row = new Object[inputRow.getArity()];
        for (int c = 0; c < row.length; c++) {
            row[c] =
                    inputRow instanceof GenericRowData
                            ? ((GenericRowData) inputRow).getField(c)
                            : RowData.createFieldGetter(call.arguments.getTypeAt(c), c)
                                    .getFieldOrNull(inputRow);
        }
        CompletableFuture<Collection<RowData>> future = new CompletableFuture<>();
        eval(future, row);
        return future;
    }

    /** Flink's planner ignores it and treats ML_PREDICT as not deterministic. */
    @Override
    public boolean isDeterministic() {
        return call.isDeterministic();
    }

    @Override
    public void close() {
        if (worker != null) {
            worker.close();
            worker = null;
        }
    }
}
