package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.TableConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.ArrayList;
import java.util.List;

/** Statements under a planner that has changed where the step for models touches it. */
class UnknownPlannerTest {

    private static final String PLANNER = "org.apache.flink.table.planner.";
    private static final String PROGRAMS = PLANNER + "plan.optimize.program.";
    private static final String WANTED = PLANNER + "calcite.CalciteConfig";

    private final List<Throwable> problems = new ArrayList<>();

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
        Object programs =
                ModelPlans.programs(
                        planner, wanted, null, TableConfig.getDefault(), problems::add);
        Object program = wanted.getMethod(asked).invoke(programs);
        assertEquals(false, program.getClass().getMethod("isDefined").invoke(program));
        assertTrue(problems.get(0).toString().contains(member), problems::toString);
        assertEquals(1, problems.size());
    }
}
