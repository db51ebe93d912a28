package io.github.pyflinktriton.provider;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.AsyncDefaults;
import io.github.pyflinktriton.compat.PredictionInBatch;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PlanningWorker;
import io.github.pyflinktriton.worker.PythonCommands;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.factories.ModelProviderFactory;
import org.apache.flink.table.ml.ModelProvider;

import java.util.Set;

/** Makes {@code 'provider' = 'triton'} a model provider; Python checks the options. */
public class TritonModelProviderFactory implements ModelProviderFactory {

    @Override
    public String factoryIdentifier() {
        return "triton";
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
        ReadableConfig session = context.getConfiguration();
        StatementException.throwIfPresent(PredictionInBatch.objection(session));
        PythonCommands python = PythonCommands.of(session, System.getenv());
        ModelCall call =
                ModelCall.of(
                        context.getObjectIdentifier().asSummaryString(), context.getCatalogModel());
        JsonNode answer = PlanningWorker.of(python.planning).check(call);
        AsyncDefaults.raise(session, answer);
        return new TritonModelProvider(call, python, AsyncDefaults.limit(session));
    }
}
