package io.github.pyflinktriton.function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

class ArgumentNamesTest {

    @ParameterizedTest
    @CsvSource({
        "input_ids, input_ids",
        "_0, _0",
        "c$d, c$d",
        "f:0, f$003a0",
        "onnx::Gather_0, onnx$003a$003aGather_0",
        "0, $0030",
        "input.1, input$002e1",
        "年龄, $5e74$9f84",
        "x😀, x$d83d$de00",
        "f$003a0, f$0024003a0",
    })
    void aNameThatFlinkAllowsStaysAndTheOthersAreWrittenInHexDigits(String column, String name) {
        assertEquals(name, ArgumentNames.of(column));
    }

    @Test
    void noTwoColumnsHaveOneName() {
        Map<String, String> columns = new HashMap<>();
        columns.put(ArgumentNames.HIDDEN, "nobody's");
        List<String> all = new ArrayList<>(List.of(""));
        for (int first = 0; all.size() < 60_000; first++) {
            for (String more : new String[] {"$", "0", "3", "a", "A", "_", ":", "年"}) {
                all.add(all.get(first) + more);
            }
        }
        for (String column : all.subList(1, all.size())) {
            String name = ArgumentNames.of(column);
            assertTrue(name.matches("[a-zA-Z_$][a-zA-Z_$0-9]*"), name);
            assertEquals(null, columns.put(name, column), column);
        }
        for (String hex : new String[] {"", "003a", "0024003a", "003", "005frows"}) {
            for (String column : new String[] {"f$" + hex, "f:" + hex, "f$" + hex + ":", ":" + hex}) {
                String other = columns.put(ArgumentNames.of(column), column);
                assertTrue(other == null || other.equals(column), column);
            }
        }
    }
}
