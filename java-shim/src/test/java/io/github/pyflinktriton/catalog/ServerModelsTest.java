package io.github.pyflinktriton.catalog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.worker.Await;
import io.github.pyflinktriton.worker.FakeCommand;
import io.github.pyflinktriton.worker.PlanningWorker;
import io.github.pyflinktriton.worker.WorkerCommand;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/** How often a server that cannot be asked for its models is asked all the same. */
@Timeout(60)
class ServerModelsTest {

    @TempDir private Path directory;
    private final AtomicLong now = new AtomicLong();

    @Test
    void aFailureIsKeptForTheTimeThatIsTold() {
        ServerModels models = models();
        assertEquals(List.of(), models.names());
        now.addAndGet(Duration.ofSeconds(5).toNanos());
        assertTrue(models.unreachable().orElse("").contains("is asked again after 5 s"));
        assertEquals(1, listings());
        now.addAndGet(1);
        models.names();
        assertEquals(2, listings());
    }

    @Test
    void whoAsksForTheListIsNotToldAnOldFailure() {
        ServerModels models = models();
        assertThrows(StatementException.class, models::namesOrFail);
        assertThrows(StatementException.class, models::namesOrFail);
        assertEquals(2, listings());
    }

    @Test
    void whileOneThreadAsksAnEarlierFailureHoldsForOthers() throws Exception {
        ServerModels models = models();
        models.names();
        Path held = Files.createFile(directory.resolve("held"));
        CompletableFuture<Void> asking =
                CompletableFuture.runAsync(
                        () -> assertThrows(StatementException.class, models::namesOrFail));
        Await.until(() -> listings() == 2);
        assertTrue(models.unreachable().isPresent());
        Files.delete(held);
        asking.join();
        assertEquals(2, listings());
    }

    private ServerModels models() {
        WorkerCommand command =
                FakeCommand.of(
                        "does=away",
                        "record=" + directory.resolve("asked"),
                        "held=" + directory.resolve("held"));
        return new ServerModels(
                Map.of("endpoint", "http://nowhere:1"),
                PlanningWorker.of(command),
                now::get,
                names -> {});
    }

    private long listings() {
        try {
            return Files.readAllLines(directory.resolve("asked")).stream()
                    .filter(frame -> frame.contains("\"request\":\"models\""))
                    .count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
