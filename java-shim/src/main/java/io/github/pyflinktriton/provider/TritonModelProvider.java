package io.github.pyflinktriton.provider;

import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PythonCommands;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.config.MLPredictRuntimeConfigOptions;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.functions.PredictFunction;
import org.apache.flink.table.ml.AsyncPredictRuntimeProvider;
import org.apache.flink.table.ml.ModelProvider;
import org.apache.flink.table.ml.PredictRuntimeProvider;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/** Gives the planner a function for each use of a checked model. */
final class TritonModelProvider implements AsyncPredictRuntimeProvider, PredictRuntimeProvider {

    private final ModelCall call;
    private final PythonCommands python;
    private final Optional<Duration> limit;

    TritonModelProvider(ModelCall call, PythonCommands python, Optional<Duration> limit) {
        this.call = call;
        this.python = python;
        this.limit = limit;
    }

    @Override
    public AsyncPredictFunction createAsyncPredictFunction(Context context) {
        ReadableConfig written = context.runtimeConfig();
        Optional<Duration> own =
                written.getOptional(MLPredictRuntimeConfigOptions.ASYNC_TIMEOUT);
        return function(written, own.or(() -> limit));
    }

    @Override
    public PredictFunction createPredictFunction(Context context) {
        return new TritonPredictFunction(function(context.runtimeConfig(), Optional.empty()));
    }

    private TritonAsyncPredictFunction function(
            ReadableConfig runtimeConfig, Optional<Duration> operator) {
        return new TritonAsyncPredictFunction(
                call.withRuntimeOptions(modelOptions(runtimeConfig)).within(operator), python);
    }

    /** The options in the MAP of ML_PREDICT, without those of Flink. */
    private static Map<String, String> modelOptions(ReadableConfig runtimeConfig) {
        Map<String, String> options = runtimeConfig.toMap();
        MLPredictRuntimeConfigOptions.getSupportedOptions()
                .forEach(option -> options.remove(option.key()));
        return options;
    }

    @Override
    public ModelProvider copy() {
        return new TritonModelProvider(call, python, limit);
    }
}
