package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Optional;
import java.util.TreeSet;

/** The names of Flink's functions, and a planner that does not tell them. */
class FlinkFunctionsTest {

    private static final String OPERATORS =
            "org.apache.flink.table.planner.functions.sql.FlinkSqlOperatorTable";

    @Test
    void thePlannerOfTheseTestsTellsThem() {
        assertEquals(Optional.empty(), FlinkFunctions.objection());
        assertTrue(FlinkFunctions.isOfPlanner("tumble"));
        assertTrue(FlinkFunctions.isOfCore("Upper"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"instance", "the class"})
    void aTableOfOperatorsOfAnotherShapeIsRefused(String member) {
        AlteredLoader planner = new AlteredLoader();
        planner.with(
                OPERATORS,
                member.equals("instance") ? AlteredLoader.withName(member, "of") : code -> null);
        String objection = FlinkFunctions.objection(planner, new TreeSet<>()).orElse("none");
        assertTrue(objection.startsWith("The names of Flink's functions cannot be read"));
    }
}
