package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.model.StrictArguments;

import org.apache.flink.table.api.PlannerConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.functions.FunctionDefinition;

import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Brings this package's steps into the optimization of a session's statements: Flink asks a
 * session's {@link PlannerConfig} for the planner's own configuration, whose class is the planner's.
 */
public final class ModelPlans implements PlannerConfig {

    private static final String WANTED = "org.apache.flink.table.planner.calcite.CalciteConfig";

    private final TableConfig session;
    private final PlannerConfig configured;

    private ModelPlans(TableConfig session, PlannerConfig configured) {
        this.session = session;
        this.configured = configured;
    }

    /** What the user set there is asked first; optimizer programs of the user's stay as they are. */
    public static void install(TableConfig session) {
        synchronized (session) {
            PlannerConfig configured = session.getPlannerConfig();
            if (!(configured instanceof ModelPlans)) {
                session.setPlannerConfig(new ModelPlans(session, configured));
            }
        }
    }

    @Override
    public <T extends PlannerConfig> Optional<T> unwrap(Class<T> type) {
        Optional<T> given = configured.unwrap(type);
        if (!type.getName().equals(WANTED)) {
            return given;
        }
        try {
            Function<FunctionDefinition, Object> models = StrictArguments::of;
            Consumer<Throwable> problems = ModelPlans::warn;
            Object programs =
                    PlannerLoader.of(type.getClassLoader())
                            .loadClass(PlannerLoader.PACKAGE + "ModelPrograms")
                            .getConstructor(
                                    type, TableConfig.class, Function.class, Consumer.class)
                            .newInstance(given.orElse(null), session, models, problems);
            return Optional.of(type.cast(programs));
        } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
            warn(e);
            return given;
        }
    }

    /** Says once for all statements what hinders the step. */
    static void warn(Throwable reason) {
        Log.warn(
                "A model is called for every row, also where CASE, IF, COALESCE, AND or OR stand "
                        + "before it, because Flink's planner is not as it is in 2.3 ("
                        + reason.getClass().getSimpleName()
                        + "). Write m(CASE WHEN condition THEN x END).");
        Log.LOG.debug("Models are not kept behind their guards.", reason);
    }
}
