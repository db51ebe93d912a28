package io.github.pyflinktriton;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** How a worker ends with its task. */
class WorkerClosingTest extends WorkerTestBase {

    @Test
    void aWorkerThatDoesNotLeaveIsKilled() {
        PredictWorker worker = open("does=stays");
        CompletableFuture<Collection<RowData>> row = predict(worker, 0);
        long start = System.nanoTime();
        worker.close();
        assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(5));
        assertFalse(row.isDone(), "rows of a task that ends are left alone");
    }

    @Test
    void aCancelledTaskDoesNotWaitForItsWorker() {
        PredictWorker worker = open("does=stays");
        Thread.currentThread().interrupt();
        long start = System.nanoTime();
        worker.close();
        assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(2));
        assertTrue(Thread.interrupted(), "the interruption is passed on");
    }

    @Test
    void closingLeavesNoFileOpen() throws Exception {
        open("does=echo").close();
        long before = openFiles();
        for (int i = 0; i < 3; i++) {
            try (PredictWorker worker = open("does=echo")) {
                assertEcho(i, predict(worker, i));
            }
        }
        assertEquals(before, openFiles());
    }

    private static long openFiles() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }
}
