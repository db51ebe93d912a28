package io.github.pyflinktriton;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.config.MLPredictRuntimeConfigOptions;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.functions.PredictFunction;
import org.apache.flink.table.ml.AsyncPredictRuntimeProvider;
import org.apache.flink.table.ml.ModelProvider;
import org.apache.flink.table.ml.PredictRuntimeProvider;

import java.util.Map;

/** Gives the planner a function for each use of a checked model. */
final class TritonModelProvider implements AsyncPredictRuntimeProvider, PredictRuntimeProvider {

    private final ModelCall call;
    private final Python python;

    TritonModelProvider(ModelCall call, Python python) {
        this.call = call;
        this.python = python;
    }

    @Override
    public AsyncPredictFunction createAsyncPredictFunction(Context context) {
        return function(context.runtimeConfig());
    }

    @Override
    public PredictFunction createPredictFunction(Context context) {
        return new TritonPredictFunction(function(context.runtimeConfig()));
    }

    private TritonAsyncPredictFunction function(ReadableConfig runtimeConfig) {
        return new TritonAsyncPredictFunction(
                call.withRuntimeOptions(ours(runtimeConfig)), python);
    }

    /** ML_PREDICT's MAP without the keys that are Flink's own. */
    private static Map<String, String> ours(ReadableConfig runtimeConfig) {
        Map<String, String> options = runtimeConfig.toMap();
        MLPredictRuntimeConfigOptions.getSupportedOptions()
                .forEach(flinks -> options.remove(flinks.key()));
        return options;
    }

    @Override
    public ModelProvider copy() {
        return new TritonModelProvider(call, python);
    }
}
