package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.Optional;

/** A planner without a part that calls of models need. */
class PlannerPartsTest {

    private static final String PLANNER = "org.apache.flink.table.planner.";

    @Test
    void thePlannerOfTheseTestsHasAll() {
        assertEquals(Optional.empty(), PlannerParts.objection());
    }

    @ParameterizedTest
    @CsvSource({
        "functions.inference.CallBindingCallContext$1,val$binding",
        "calcite.FlinkCalciteSqlValidator,relOptCluster",
        "utils.ShortcutUtils,unwrapTableConfig",
        "utils.ShortcutUtils,unwrapFunctionDefinition",
        "typeutils.LogicalRelDataTypeConverter$LogicalToRelDataTypeConverter,relDataTypeFactory",
        "plan.optimize.program.FlinkGroupProgram,programs",
        "calcite.CalciteConfig,DEFAULT"
    })
    void aPartOfAnotherNameIsMissed(String type, String member) {
        String name = PLANNER + type;
        AlteredLoader planner =
                new AlteredLoader().with(name, AlteredLoader.withName(member, member + "2"));
        assertRefused(member, planner);
    }

    @Test
    void theArgumentsOfACallInAnotherPlaceAreMissed() {
        String context = "org.apache.flink.table.types.inference.utils.CastCallContext";
        assertRefused(
                "originalContext",
                new AlteredLoader()
                        .with(context, AlteredLoader.withName("originalContext", "original")));
    }

    @ParameterizedTest
    @CsvSource({
        "calcite.CalciteConfig",
        "plan.rules.logical.RemoteCalcSplitRuleBase",
        "plan.optimize.program.FlinkHepRuleSetProgramBuilder",
        "functions.inference.CallBindingCallContext$1"
    })
    void aClassThatIsNotThereIsMissed(String type) {
        assertRefused(type.substring(type.lastIndexOf('.') + 1), absent(PLANNER + type));
    }

    /** Its rules for remote calls are of another class than the one that the step looks for. */
    @Test
    void rulesOfAnotherClassAreMissed() {
        String rule = PLANNER + "plan.rules.logical.RemoteCalcSplitRuleBase";
        assertRefused(
                "the rules for remote calls are not where they were",
                new AlteredLoader().with(rule, code -> code));
    }

    private static AlteredLoader absent(String name) {
        return new AlteredLoader().with(name, code -> null);
    }

    private static void assertRefused(String reason, AlteredLoader planner) {
        String objection = PlannerParts.objection(planner).orElse("none");
        assertTrue(
                objection.startsWith("A model cannot be a function with this version of Flink"),
                () -> objection);
        assertTrue(objection.contains(reason), () -> objection);
        assertFalse(objection.contains("InvocationTargetException"), () -> objection);
        assertTrue(objection.endsWith("Use ML_PREDICT."), () -> objection);
    }
}
