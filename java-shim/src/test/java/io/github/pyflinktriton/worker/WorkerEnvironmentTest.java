package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.model.ModelCall;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A worker gets more of the environment only where Python says that it needs it. */
@Timeout(60)
class WorkerEnvironmentTest {

    @TempDir private Path directory;

    @Test
    void aWorkerThatLacksAVariableIsFollowedByOneThatHasIt() throws IOException {
        Path record = directory.resolve("record");
        PlanningWorker planning = PlanningWorker.of(FakeCommand.of("record=" + record));

        ObjectNode request = Json.MAPPER.createObjectNode();
        request.putObject("options");
        planning.ask("defaults", request.deepCopy());
        request.putObject("options").put("needs", "HOME");
        JsonNode answer = planning.ask("defaults", request);

        assertEquals(1000, answer.path("capacity").asInt());
        assertEquals(List.of("HOME"), ModelCall.environment(answer));
        assertEquals(List.of(false, false, true), seen(record));
    }

    private static List<Boolean> seen(Path record) throws IOException {
        List<Boolean> seen = new ArrayList<>();
        for (String line : Files.readAllLines(record)) {
            JsonNode frame = Json.MAPPER.readTree(line);
            if (frame.path("kind").asText().equals("plan")) {
                seen.add(frame.path("sees").asText().contains(" HOME "));
            }
        }
        return seen;
    }
}
