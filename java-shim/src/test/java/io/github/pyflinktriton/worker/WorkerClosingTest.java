package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
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
        Set<String> pipes;
        try (PredictWorker worker = open("does=echo")) {
            pipes = pipes(started().iterator().next().pid());
            assertEquals(3, pipes.size());
            assertTrue(pipes(ProcessHandle.current().pid()).containsAll(pipes));
            assertEcho(0, predict(worker, 0));
        }
        // The JVM has other files, which come and go as they like.
        assertTrue(Collections.disjoint(pipes(ProcessHandle.current().pid()), pipes));
    }

    /** A pipe has the same name at both of its ends. */
    private static Set<String> pipes(long process) throws IOException {
        Set<String> names = new HashSet<>();
        try (Stream<Path> files = Files.list(Path.of("/proc/" + process + "/fd"))) {
            for (Path file : files.collect(Collectors.toList())) {
                try {
                    names.add(Files.readSymbolicLink(file).toString());
                } catch (NoSuchFileException e) {
                    // Closed meanwhile, as the list itself is.
                }
            }
        }
        names.removeIf(name -> !name.startsWith("pipe:"));
        return names;
    }
}
