package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.Log;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.PlannerConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.TableEnvironment;
import org.junit.jupiter.api.Test;

import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

class ModelPlansTest {

    private static final String WANTED = "org.apache.flink.table.planner.calcite.CalciteConfig";

    private final TableConfig session = TableConfig.getDefault();

    /** What a user may have set: the planner's own configuration, here found by its class. */
    private static final class UserConfig implements PlannerConfig {

        private PlannerConfig programs;

        @Override
        public <T extends PlannerConfig> Optional<T> unwrap(Class<T> type) {
            return type.isInstance(programs) ? Optional.of(type.cast(programs)) : Optional.empty();
        }
    }

    @Test
    void itIsInstalledOnce() {
        ModelPlans.install(session);
        PlannerConfig installed = session.getPlannerConfig();
        ModelPlans.install(session);
        assertSame(installed, session.getPlannerConfig());
    }

    @Test
    void thePlannerGetsProgramsWithTheStep() throws Exception {
        ModelPlans.install(session);
        PlannerConfig programs = session.getPlannerConfig().unwrap(wanted()).orElseThrow();
        for (String program : new String[] {"getStreamProgram", "getBatchProgram"}) {
            assertTrue(names(programs, program).contains("models"), program);
        }
    }

    @Test
    void programsThatTheUserSetStay() throws Exception {
        Class<? extends PlannerConfig> type = wanted();
        UserConfig configured = new UserConfig();
        session.setPlannerConfig(configured);
        ModelPlans.install(session);
        configured.programs = withBatchProgram(type);
        PlannerConfig programs = session.getPlannerConfig().unwrap(type).orElseThrow();
        assertNotEquals(configured.programs, programs);
        assertEquals("[]", names(programs, "getBatchProgram"));
        assertTrue(names(programs, "getStreamProgram").contains("models"));
    }

    @Test
    void anotherPlannerGetsWhatTheUserSet() {
        session.setPlannerConfig(new UserConfig());
        ModelPlans.install(session);
        assertFalse(session.getPlannerConfig().unwrap(Other.class).isPresent());
    }

    @Test
    void aWarningNamesWhatReflectionHides() {
        List<String> warnings = new ArrayList<>();
        Log.listen(warnings::add);
        try {
            ModelPlans.warn(new InvocationTargetException(new NoSuchMethodError("DEFAULT")));
        } finally {
            Log.listen(warning -> {});
        }
        assertEquals(1, warnings.size());
        assertTrue(warnings.get(0).contains("(NoSuchMethodError)"), warnings::toString);
    }

    private interface Other extends PlannerConfig {}

    private static Class<? extends PlannerConfig> wanted() throws Exception {
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        Object planner =
                tables.getClass().getMethod("getPlanner").invoke(tables);
        return Class.forName(WANTED, true, planner.getClass().getClassLoader())
                .asSubclass(PlannerConfig.class);
    }

    private static PlannerConfig withBatchProgram(Class<?> type) throws Exception {
        Object builder = type.getMethod("createBuilder").invoke(null);
        Class<?> program =
                Class.forName(
                        "org.apache.flink.table.planner.plan.optimize.program.FlinkChainedProgram",
                        true,
                        type.getClassLoader());
        builder.getClass()
                .getMethod("replaceBatchProgram", program)
                .invoke(builder, program.getConstructor().newInstance());
        return (PlannerConfig) builder.getClass().getMethod("build").invoke(builder);
    }

    private static String names(PlannerConfig programs, String which) throws Exception {
        Object option = wanted().getMethod(which).invoke(programs);
        Object program = option.getClass().getMethod("get").invoke(option);
        return program.getClass().getMethod("getProgramNames").invoke(program).toString();
    }
}
