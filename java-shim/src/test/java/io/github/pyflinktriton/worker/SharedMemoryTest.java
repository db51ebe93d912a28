package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.ProtocolException;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** Large frames in memory that a worker shares: their way, who may use which block, and its end. */
class SharedMemoryTest extends WorkerTestBase {

    private static final long PAGE = 4096;
    private static final int LARGE = 100_000;

    @TempDir private Path directory;
    private Path file;
    private Path record;

    @BeforeEach
    void names() {
        file = directory.resolve("memory");
        record = directory.resolve("record");
    }

    @AfterEach
    void nothingIsMapped() throws IOException {
        assertFalse(isMapped());
    }

    @Test
    void largeFramesGoByTheMemoryAndSmallOnesByThePipe() throws Exception {
        try (PredictWorker worker = shared("does=echo")) {
            for (int i = 0; i < 100; i++) {
                check(worker, i, i % 2 == 0 ? LARGE : 10);
            }
            assertTrue(isMapped());
        }
        // 100 blocks have no room at once, so freed ones were used again.
        assertEquals(50, frames("\"at\":").size());
        assertEquals(50, frames("\"at\":0,").size());
    }

    @Test
    void whatFindsNoRoomGoesByThePipe() throws Exception {
        try (PredictWorker worker = shared("does=echo", "memory_keeps=true")) {
            for (int i = 0; i < 30; i++) {
                check(worker, i, LARGE);
            }
        }
        // Of 1 MiB, a block of 25 pages ten times.
        assertEquals(10, frames("\"at\":").size());
    }

    @Test
    void rowsAreRightUnderLoad() throws Exception {
        try (PredictWorker worker = shared("does=echo", "frame_bytes=200000")) {
            List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                futures.add(send(worker, i, 1 + i * 7919 % 150_000));
            }
            for (int i = 0; i < 500; i++) {
                check(futures.get(i), i, 1 + i * 7919 % 150_000);
            }
        }
        assertTrue(frames("\"at\":").size() > 10);
    }

    @ParameterizedTest
    @CsvSource({"memory_named=/memfd:another", "memory_file=/nonexistent"})
    void memoryThatCannotBeReachedIsDoneWithout(String setting) throws Exception {
        try (PredictWorker worker = shared("does=echo", setting)) {
            check(worker, 1, LARGE);
            assertFalse(isMapped());
        }
        assertEquals(0, frames("\"at\":").size());
    }

    @ParameterizedTest
    @CsvSource({"memory_frees=4096", "memory_frees=-1"})
    void aBlockThatIsNotInUseCannotBeGivenBack(String setting) {
        try (PredictWorker worker = shared("does=echo", setting)) {
            String message = failure(send(worker, 1, LARGE)).getMessage();
            assertTrue(message.contains("memory given back that is not in use"), message);
        }
    }

    @Test
    void aWorkerThatIsKilledWithRowsInTheMemoryLeavesNone() throws Exception {
        try (PredictWorker worker = shared("does=hang")) {
            CompletableFuture<Collection<RowData>> row = send(worker, 1, LARGE);
            Await.until(() -> Files.exists(record) && !quietFrames("\"at\":").isEmpty());
            killWorker();
            assertTrue(failure(row).getMessage().contains("signal 9"));
        }
    }

    @Test
    void manyRestartsLeaveNoMapping() throws Exception {
        long mappings = mappings().size();
        for (int i = 0; i < 10; i++) {
            try (PredictWorker worker = shared("does=echo")) {
                check(worker, i, LARGE);
            }
            assertFalse(isMapped());
        }
        assertTrue(mappings().size() < mappings + 100, "the JVM's own come and go");
    }

    @Test
    void theLowestPlaceThatHasRoomIsTaken() throws Exception {
        SharedMemory memory = memory(64 * PAGE);
        assertEquals(-1, memory.take(SharedMemory.LEAST_BYTES - 1));
        assertEquals(0, memory.take(16 * PAGE));
        assertEquals(16 * PAGE, memory.take(16 * PAGE + 1));
        assertEquals(33 * PAGE, memory.take(20 * PAGE));
        assertEquals(-1, memory.take(16 * PAGE));
        memory.free(starts(16 * PAGE));
        assertEquals(16 * PAGE, memory.take(16 * PAGE));
        memory.free(starts(0, 16 * PAGE));
        assertEquals(0, memory.take(33 * PAGE));
        assertEquals(-1, memory.take(64 * PAGE));
        assertThrows(ProtocolException.class, () -> memory.free(starts(16 * PAGE)));
        memory.close();
    }

    @Test
    void moreThanAllIsRefusedWithoutMemory() throws Exception {
        assertEquals(-1, SharedMemory.NONE.take(LARGE));
        assertThrows(ProtocolException.class, () -> SharedMemory.NONE.free(starts(0)));
        SharedMemory.NONE.close();
    }

    private static ArrayNode starts(long... starts) {
        ArrayNode array = Json.MAPPER.createArrayNode();
        for (long start : starts) {
            array.add(start);
        }
        return array;
    }

    private SharedMemory memory(long bytes) throws IOException {
        ObjectNode opened = Json.MAPPER.createObjectNode();
        Map<String, String> settings =
                Map.of("memory", file.toString(), "memory_bytes", String.valueOf(bytes));
        try (FakeMemory fake = FakeMemory.of(settings)) {
            fake.name(opened);
            return SharedMemory.of(opened.get("memory"));
        }
    }

    private PredictWorker shared(String... more) {
        List<String> settings = new ArrayList<>(List.of(more));
        settings.add("memory=" + file);
        settings.add("record=" + record);
        return open(settings.toArray(new String[0]));
    }

    private static CompletableFuture<Collection<RowData>> send(
            PredictWorker worker, int i, int length) {
        CompletableFuture<Collection<RowData>> future = new CompletableFuture<>();
        try {
            worker.predict(new Object[] {i, StringData.fromString(text(i, length))}, future);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return future;
    }

    private static void check(PredictWorker worker, int i, int length) throws Exception {
        check(send(worker, i, length), i, length);
    }

    private static void check(CompletableFuture<Collection<RowData>> future, int i, int length)
            throws Exception {
        RowData row = future.get().iterator().next();
        assertEquals(i, row.getInt(0));
        assertEquals(text(i, length), row.getString(1).toString());
    }

    private static String text(int i, int length) {
        return String.valueOf((char) ('a' + i % 26)).repeat(length);
    }

    private List<String> frames(String words) throws IOException {
        return Files.readAllLines(record).stream()
                .filter(line -> line.contains("\"predict\"") && line.contains(words))
                .collect(Collectors.toList());
    }

    private List<String> quietFrames(String words) {
        try {
            return frames(words);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private boolean isMapped() throws IOException {
        return mappings().stream().anyMatch(line -> line.contains(file.toString()));
    }

    private static List<String> mappings() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/maps"));
    }
}
