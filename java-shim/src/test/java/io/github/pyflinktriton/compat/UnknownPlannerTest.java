package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.model.ModelFunctionDefinition;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.PlannerConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.functions.AsyncScalarFunction;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Statements under a planner that has changed where the step for models touches it. */
class UnknownPlannerTest {

    private static final String PLANNER = "org.apache.flink.table.planner.";
    private static final String PROGRAMS = PLANNER + "plan.optimize.program.";
    private static final String WANTED = PLANNER + "calcite.CalciteConfig";

    private final List<Throwable> problems = new ArrayList<>();
    private final TableEnvironment tables =
            TableEnvironment.create(EnvironmentSettings.inStreamingMode());

    /** Flink asks for its program while it plans any statement, with models or without. */
    @ParameterizedTest
    @CsvSource({
        "FlinkStreamProgram,buildProgram,getStreamProgram",
        "FlinkStreamProgram,LOGICAL_REWRITE,getStreamProgram",
        "FlinkBatchProgram,buildProgram,getBatchProgram",
        "FlinkBatchProgram,LOGICAL_REWRITE,getBatchProgram"
    })
    void flinkPlansByItselfWhereItsProgramIsMadeOtherwise(
            String type, String member, String asked) throws Exception {
        AlteredLoader planner =
                new AlteredLoader()
                        .with(PROGRAMS + type, AlteredLoader.withName(member, member + "2"));
        Class<?> wanted = Class.forName(WANTED, true, planner);
        Object program = wanted.getMethod(asked).invoke(programs(planner, wanted));
        assertEquals(false, program.getClass().getMethod("isDefined").invoke(program));
        assertTrue(problems.get(0).toString().contains(member), problems::toString);
        assertEquals(1, problems.size());
    }

    /** Flink's own plan would lose more than guards: types of nested async calls get mixed up. */
    @ParameterizedTest
    @ValueSource(strings = {"nodes.logical.FlinkLogicalCalc", "utils.AsyncUtil"})
    void aModelIsRefusedWhereTheStepDoesNotFitThePlanner(String part) {
        AlteredLoader planner =
                new AlteredLoader().with(PLANNER + "plan." + part, code -> null);
        assertEquals(Optional.empty(), PlannerParts.objection(planner), "nothing is missed before");
        tables.getConfig().setPlannerConfig(new Programs(planner));
        tables.createTemporarySystemFunction("m", Model.class);
        tables.explainSql("SELECT n + 1 FROM (VALUES (1)) AS t (n)");
        String refusal =
                assertThrows(
                                StatementException.class,
                                () ->
                                        tables.explainSql(
                                                "SELECT m(m(n)) FROM (VALUES (1)) AS t (n)"))
                        .getMessage();
        assertTrue(
                refusal.startsWith("A model cannot be a function with this version of Flink"),
                () -> refusal);
        assertTrue(refusal.contains(part.substring(part.lastIndexOf('.') + 1)), () -> refusal);
        assertTrue(refusal.endsWith("Use ML_PREDICT."), () -> refusal);
        assertEquals(List.of(), problems);
    }

    /** Gives a session the programs that the shim makes for another planner. */
    private final class Programs implements PlannerConfig {

        private final ClassLoader planner;

        Programs(ClassLoader planner) {
            this.planner = planner;
        }

        @Override
        public <T extends PlannerConfig> Optional<T> unwrap(Class<T> type) {
            try {
                return type.getName().equals(WANTED)
                        ? Optional.of(type.cast(programs(planner, type)))
                        : Optional.empty();
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private Object programs(ClassLoader planner, Class<?> wanted)
            throws ReflectiveOperationException {
        return ModelPlans.programs(
                planner, wanted, null, TableConfig.getDefault(), problems::add);
    }

    /** A model without a server. */
    public static final class Model extends AsyncScalarFunction implements ModelFunctionDefinition {

        private static final long serialVersionUID = 1L;

        /** Flink requires this method. */
        public void eval(CompletableFuture<Integer> future, Integer n) {
            future.complete(n);
        }

        @Override
        public int[] strictArguments() {
            return new int[] {0};
        }
    }
}
