package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.model.StrictArguments;

import org.apache.flink.table.api.PlannerConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.functions.FunctionDefinition;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Adds the step of the package {@code planner} to the optimizer of a session. Flink asks the {@link
 * PlannerConfig} of a session for a configuration whose class belongs to the planner.
 */
public final class ModelPlans implements PlannerConfig {

    static final String WANTED = "org.apache.flink.table.planner.calcite.CalciteConfig";

    private final TableConfig session;
    private final PlannerConfig configured;

    private ModelPlans(TableConfig session, PlannerConfig configured) {
        this.session = session;
        this.configured = configured;
    }

    /** Wraps what the user has set there; optimizer programs of the user stay as they are. */
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
            return Optional.of(
                    type.cast(
                            programs(
                                    type.getClassLoader(),
                                    type,
                                    given.orElse(null),
                                    session,
                                    ModelPlans::warn)));
        } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
            warn(e);
            return given;
        }
    }

    static Object programs(
            ClassLoader planner,
            Class<?> type,
            Object given,
            TableConfig session,
            Consumer<Throwable> problems)
            throws ReflectiveOperationException {
        Function<FunctionDefinition, Object> models = StrictArguments::of;
        Function<Throwable, RuntimeException> refusal =
                reason ->
                        new StatementException(
                                PlannerParts.refusal(RootCause.of(reason).toString()));
        return PlannerLoader.of(planner)
                .loadClass(PlannerLoader.PACKAGE + "ModelPrograms")
                .getConstructor(
                        type, TableConfig.class, Function.class, Function.class, Consumer.class)
                .newInstance(given, session, models, refusal, problems);
    }

    /** What keeps the step out of a planner's own programs. */
    static Optional<Throwable> hindrance(ClassLoader planner) {
        List<Throwable> problems = new ArrayList<>();
        try {
            Class<?> type = Class.forName(WANTED, true, planner);
            Object programs =
                    programs(planner, type, null, TableConfig.getDefault(), problems::add);
            for (String program : new String[] {"getStreamProgram", "getBatchProgram"}) {
                type.getMethod(program).invoke(programs);
            }
        } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
            problems.add(e);
        }
        return problems.stream().findFirst();
    }

    /** Says once for all statements what hinders the step. */
    static void warn(Throwable reason) {
        Log.warn(
                "A model is called for every row, also where CASE, IF, COALESCE, AND or OR stand "
                        + "before it, because Flink's planner is not as it is in 2.3 ("
                        + RootCause.of(reason).getClass().getSimpleName()
                        + "). Write m(CASE WHEN condition THEN x END).");
        Log.LOG.debug("Models are not kept behind their guards.", reason);
    }
}
