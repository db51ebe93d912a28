package io.github.pyflinktriton;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.functions.FunctionDefinition;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/** What a catalog and a module share: a server's models, and models as functions. */
final class ModelFunctions {

    private static final Pattern NAME = Pattern.compile("\\w+");

    private final ReadableConfig session;
    private final Python python;
    private final ServerModels models;

    private ModelFunctions(ReadableConfig session, Python python, ServerModels models) {
        this.session = session;
        this.python = python;
        this.models = models;
    }

    /** Checks the options and sets the session up for {@code m(x)}. */
    static ModelFunctions of(Map<String, String> written, ReadableConfig session) {
        Map<String, String> defaults = new LinkedHashMap<>(written);
        defaults.remove("type");
        Python python = Python.of(session, System.getenv());
        ServerModels models =
                new ServerModels(
                        defaults, PlanningWorker.of(python.planning), System::nanoTime);
        models.checkDefaults();
        AsyncDefaults.prepareScalar(session);
        StatementConfig.of(session).ifPresent(ModelPlans::install);
        return new ModelFunctions(session, python, models);
    }

    ServerModels models() {
        return models;
    }

    /** The function of the mode that the session is in now. */
    FunctionDefinition define(String name, ResolvedCatalogModel model) {
        ModelFunction function =
                new ModelFunction(
                        ModelCall.of(name, model),
                        Python.of(session, System.getenv()),
                        session);
        return session.get(ExecutionOptions.RUNTIME_MODE) == RuntimeExecutionMode.BATCH
                ? new TritonPandasFunction(function)
                : new TritonAsyncScalarFunction(function);
    }

    /** While the server cannot be asked: a function that says so when it is called. */
    Optional<FunctionDefinition> unknown(String name) {
        // The planner looks operators up as well.
        return NAME.matcher(name).matches()
                ? models.unreachable().map(reason -> new UnknownFunction(name, reason))
                : Optional.empty();
    }
}
