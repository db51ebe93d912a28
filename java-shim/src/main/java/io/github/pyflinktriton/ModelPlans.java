package io.github.pyflinktriton;

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
final class ModelPlans implements PlannerConfig {

    private static final String WANTED = "org.apache.flink.table.planner.calcite.CalciteConfig";

    private final TableConfig session;
    private final PlannerConfig users;

    private ModelPlans(TableConfig session, PlannerConfig users) {
        this.session = session;
        this.users = users;
    }

    /** What the user set there is asked first; optimizer programs of the user's stay as they are. */
    static void install(TableConfig session) {
        synchronized (session) {
            PlannerConfig users = session.getPlannerConfig();
            if (!(users instanceof ModelPlans)) {
                session.setPlannerConfig(new ModelPlans(session, users));
            }
        }
    }

    @Override
    public <T extends PlannerConfig> Optional<T> unwrap(Class<T> type) {
        Optional<T> given = users.unwrap(type);
        if (!type.getName().equals(WANTED)) {
            return given;
        }
        try {
            Function<FunctionDefinition, Object> models = KnownModels::strictPlaces;
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
