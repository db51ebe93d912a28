package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.compat.AsyncDefaults;
import io.github.pyflinktriton.compat.FlinkFunctions;
import io.github.pyflinktriton.compat.ForwardedNulls;
import io.github.pyflinktriton.compat.ModelPlans;
import io.github.pyflinktriton.compat.PlannerParts;
import io.github.pyflinktriton.compat.StatementConfig;
import io.github.pyflinktriton.function.ModelFunction;
import io.github.pyflinktriton.function.PlannedFunction;
import io.github.pyflinktriton.function.TritonAsyncScalarFunction;
import io.github.pyflinktriton.function.TritonPandasFunction;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PlanningWorker;
import io.github.pyflinktriton.worker.PythonCommands;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.functions.FunctionDefinition;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** What a catalog and a module share: the server's models, and how a model becomes a function. */
final class ModelFunctions {

    private final ReadableConfig session;
    private final PythonCommands python;
    private final ServerModels models;

    private ModelFunctions(ReadableConfig session, PythonCommands python, ServerModels models) {
        this.session = session;
        this.python = python;
        this.models = models;
    }

    /** Checks the options and sets the session up for {@code m(x)}. */
    static ModelFunctions of(
            Map<String, String> written, ReadableConfig session, NameClashes names) {
        Map<String, String> defaults = new LinkedHashMap<>(written);
        defaults.remove("type");
        PythonCommands python = PythonCommands.of(session, System.getenv());
        ServerModels models =
                new ServerModels(
                        defaults, PlanningWorker.of(python.planning), System::nanoTime, names);
        models.checkDefaults();
        AsyncDefaults.prepareScalar(session);
        StatementConfig.of(session).ifPresent(ModelPlans::install);
        ModelFunctions functions = new ModelFunctions(session, python, models);
        functions.objection().ifPresent(Log::warn);
        return functions;
    }

    /** What keeps models from being functions in this session, whatever the model. */
    Optional<String> objection() {
        return PlannerParts.objection()
                .or(() -> isBatch() ? Optional.empty() : ForwardedNulls.objection());
    }

    private boolean isBatch() {
        return session.get(ExecutionOptions.RUNTIME_MODE) == RuntimeExecutionMode.BATCH;
    }

    ServerModels models() {
        return models;
    }

    /** Makes the function for the mode, streaming or batch, that the session has now. */
    FunctionDefinition define(String name, ResolvedCatalogModel model) {
        return define(name, model, true);
    }

    /** The same for a module, where a function of Flink may have the same name. */
    FunctionDefinition defineInModule(String name, ResolvedCatalogModel model) {
        return define(name, model, !FlinkFunctions.isOfPlanner(name));
    }

    private FunctionDefinition define(
            String name, ResolvedCatalogModel model, boolean isAlone) {
        ModelFunction function =
                new ModelFunction(
                        ModelCall.of(name, model),
                        PythonCommands.of(session, System.getenv()),
                        session);
        return isBatch()
                ? new TritonPandasFunction(function, isAlone)
                : new PlannedFunction(new TritonAsyncScalarFunction(function));
    }

    /**
     * While the server cannot be asked: a function that fails with the reason when it is called.
     */
    Optional<FunctionDefinition> unknown(String name) {
        return models.unreachable().map(reason -> new UnknownFunction(name, reason));
    }
}
