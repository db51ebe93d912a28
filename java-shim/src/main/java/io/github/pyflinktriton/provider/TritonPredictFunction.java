package io.github.pyflinktriton.provider;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.PredictFunction;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.UserDefinedFunction;

import java.util.Collection;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** ML_PREDICT's function with {@code MAP['async', 'false']}: waits for each row's answer. */
public final class TritonPredictFunction extends PredictFunction implements SpecializedFunction {

    private static final long serialVersionUID = 1L;

    private final TritonAsyncPredictFunction async;

    TritonPredictFunction(TritonAsyncPredictFunction async) {
        this.async = async;
    }

    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        return new TritonPredictFunction((TritonAsyncPredictFunction) async.specialize(context));
    }

    @Override
    public void open(FunctionContext context) throws Exception {
        async.open(context);
    }

    @Override
    public Collection<RowData> predict(RowData input) {
        return await(async.asyncPredict(input));
    }

    private static Collection<RowData> await(CompletableFuture<Collection<RowData>> rows) {
        try {
            return rows.get();
        } catch (ExecutionException e) {
            throw new RowError(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RowError(e);
        }
    }

    @Override
    public boolean isDeterministic() {
        return async.isDeterministic();
    }

    @Override
    public void close() throws Exception {
        async.close();
    }
}
