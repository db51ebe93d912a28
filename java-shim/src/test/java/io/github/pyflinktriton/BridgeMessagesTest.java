package io.github.pyflinktriton;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.Set;

/** The shim reads and writes the fields that Python writes and reads. */
class BridgeMessagesTest {

    @Test
    void theShimReadsAndWritesEachFieldOfTheMessagesAndNoOther() throws Exception {
        FieldUses uses = new FieldUses(Path.of("target", "classes"));
        assertEquals(
                BridgeMessages.fields(
                        "from the worker", "planning answers", "objects from the worker"),
                uses.read);
        assertEquals(
                BridgeMessages.fields(
                        "from the shim",
                        "planning requests",
                        "objects from the shim",
                        "kept by the shim"),
                uses.written);
        // The errors of rows have the rows' numbers as names.
        assertEquals(Set.of("answer"), uses.unknown);
    }

    @Test
    void aMessageWithAnotherFieldIsRefused() {
        ObjectNode predict = new ObjectMapper().createObjectNode();
        predict.put("kind", "predict").put("first", 1).put("rows", 2);
        BridgeMessages.check(predict);
        assertThrows(
                AssertionError.class, () -> BridgeMessages.check(predict.deepCopy().put("row", 2)));
        predict.remove("rows");
        assertThrows(AssertionError.class, () -> BridgeMessages.check(predict));
    }
}
