package bench;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.ModelProviderFactory;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.ml.AsyncPredictRuntimeProvider;
import org.apache.flink.table.ml.ModelProvider;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** Makes {@code 'provider' = 'bench-nothing'} a model that adds two floats at once, in the JVM. */
public final class NothingFactory implements ModelProviderFactory {

    @Override
    public String factoryIdentifier() {
        return "bench-nothing";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public ModelProvider createModelProvider(Context context) {
        return new Provider();
    }

    private static final class Provider implements AsyncPredictRuntimeProvider {

        @Override
        public AsyncPredictFunction createAsyncPredictFunction(Context context) {
            return new Function();
        }

        @Override
        public ModelProvider copy() {
            return this;
        }
    }

    /** Public because Flink's generated code calls it. */
    public static final class Function extends AsyncPredictFunction {

        private static final long serialVersionUID = 1L;

        @Override
        public CompletableFuture<Collection<RowData>> asyncPredict(RowData row) {
            return CompletableFuture.completedFuture(
                    List.of(GenericRowData.of(row.getFloat(0) + row.getFloat(1))));
        }
    }
}
