package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.Optional;
import java.util.function.UnaryOperator;

/** Planners whose generator of async code is another one than Flink 2.3.0's. */
@Timeout(120)
class UnknownGeneratorTest {

    private static final String GENERATOR =
            "org.apache.flink.table.planner.codegen.AsyncCodeGenerator";
    private static final String VALIDATOR = GENERATOR + "$AsyncScalarFunctionsValidator";
    private static final String NEIGHBOUR =
            "org.apache.flink.table.planner.codegen.CodeGenException";
    private static final String REPAIRED_TEXT = "%s.addSynchronousResult(%d, %s);\n";

    @Test
    void anotherTextWithTheFaultIsRefused() {
        AlteredLoader planner =
                planner(
                        AlteredLoader.withText(
                                REPAIRED_TEXT, "%s.addSynchronousResult((%d), (%s));\n"));
        assertRefused("is not the one that can be repaired", planner);
    }

    @Test
    void aCallOfAnotherNameIsRefused() {
        assertRefused(
                "cannot be tried: java.lang.NoSuchMethodError",
                planner(AlteredLoader.withName("generateFunction", "generate")));
    }

    @Test
    void codeThatDoesNotCompileIsRefused() {
        assertRefused(
                "cannot be tried: ",
                planner(AlteredLoader.withText(REPAIRED_TEXT, "%s.addSync(%d, %s);\n")));
    }

    @Test
    void codeThatLosesTheRowIsRefused() {
        assertRefused(
                "is not the one that can be repaired",
                planner(AlteredLoader.withText("%s.addAsyncIndex(%d);\n", "%s.addAsyncIndex(0);\n")));
    }

    /** The columns beside the call keep their NULLs, but for the first, or the call loses some. */
    @ParameterizedTest
    @CsvSource({
        "NULL in the column of the argument, i == 0 && value == null, false",
        "NULL as the argument, false, first == null",
        "NULL as the answer, false, first != null"
    })
    void codeThatLosesSomeNullsIsRefused(String lost, String inColumn, String inCall) {
        String made = "    = new ${delegatingFutureType}(${collectorTerm}, ${fieldCount})";
        String altered =
                made
                        + " {\n  private final Object lost = Integer.valueOf(-1);\n"
                        + "  private Object first;\n"
                        + "  public void addSynchronousResult(int i, Object value) {\n"
                        + "    if (i == 0) { first = value; }\n"
                        + ("    super.addSynchronousResult(i, " + inColumn + " ? lost : value);\n")
                        + "  }\n  public void accept(Object answer, Throwable failure) {\n"
                        + ("    boolean isLost = answer == null && (" + inCall + ");\n")
                        + "    super.accept(isLost ? lost : answer, failure);\n  }\n};";
        UnaryOperator<byte[]> change = AlteredLoader.withText(made + ";", altered);
        AlteredLoader planner =
                planner(code -> change.apply(NullsRepair.of(code).orElseThrow()));
        assertRefused("is not the one that can be repaired", planner);
    }

    @Test
    void anAbsentGeneratorIsRefused() {
        assertRefused("cannot be tried: java.lang.ClassNotFoundException", planner(code -> null));
    }

    @Test
    void aGeneratorWithoutTheFaultIsLeftAsItIs() {
        AlteredLoader planner = planner(code -> NullsRepair.of(code).orElseThrow());
        assertEquals(Optional.empty(), ForwardedNulls.objection(planner));
        assertFalse(planner.hasLoaded(GENERATOR), "the trial leaves the planner alone");
    }

    @Test
    void anotherGeneratorWithTheFaultIsRepairedWhereTheRepairIsSeenToWork() throws Exception {
        AlteredLoader planner = planner(AlteredLoader.withName("getFunctionClass", "other"));
        assertEquals(Optional.empty(), ForwardedNulls.objection(planner));
        assertTrue(NullsRepair.isIn(planner.loadClass(GENERATOR)));
    }

    /** With the neighbour, into whose package a repaired generator is put. */
    private static AlteredLoader planner(UnaryOperator<byte[]> change) {
        return new AlteredLoader()
                .with(GENERATOR, change)
                .with(VALIDATOR, UnaryOperator.identity())
                .with(NEIGHBOUR, UnaryOperator.identity());
    }

    private static void assertRefused(String reason, AlteredLoader planner) {
        String objection = ForwardedNulls.objection(planner).orElse("none");
        assertTrue(
                objection.startsWith("In streaming a model cannot be a function"), () -> objection);
        assertTrue(objection.contains(reason), () -> objection);
        assertTrue(objection.endsWith("Use ML_PREDICT."), () -> objection);
        assertFalse(planner.hasLoaded(GENERATOR), "the trial leaves the planner alone");
    }
}
