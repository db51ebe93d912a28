package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.TableConfig;
import org.junit.jupiter.api.Test;

import java.util.Optional;

/** A planner without ML_PREDICT in batch; the front doors' tests show one that has it. */
class PredictionInBatchTest {

    @Test
    void itIsRefusedWithWhatToDo() {
        ClassLoader older = new ClassLoader(null) {};
        String objection = PredictionInBatch.objection(older).orElse("none");
        assertTrue(objection.startsWith("This version of Flink plans ML_PREDICT in"), objection);
        assertTrue(objection.endsWith("m(x), or use Flink 2.3."), objection);
    }

    @Test
    void streamingIsNotAskedAbout() {
        assertEquals(Optional.empty(), PredictionInBatch.objection(TableConfig.getDefault()));
    }
}
