package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.pyflinktriton.model.Calls;

import org.apache.flink.api.common.TaskInfoImpl;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

import java.time.Duration;
import java.util.Collection;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;

/** Opens workers that are processes, and sees to it that each test ends them all. */
@Timeout(60)
abstract class WorkerTestBase {

    Duration silence = WorkerClient.SILENCE_LIMIT;

    // Other tests' planning workers live on for a while.
    private Set<ProcessHandle> processesBefore;
    private Set<Thread> threadsBefore;

    @BeforeEach
    void whatIsThereBefore() {
        processesBefore = processes();
        threadsBefore = threads();
    }

    @AfterEach
    void nothingIsLeftBehind() {
        Await.until(() -> processesBefore.containsAll(processes()));
        Await.until(() -> threadsBefore.containsAll(threads()));
    }

    final PredictWorker open(String... settings) {
        return open(FakeCommand.of(settings), new UnregisteredMetricsGroup());
    }

    final PredictWorker open(WorkerCommand command, MetricGroup metrics) {
        return PredictWorker.open(
                Calls.echo(), command, new TaskInfoImpl("task", 128, 0, 1, 0), metrics, silence);
    }

    static CompletableFuture<Collection<RowData>> predict(PredictWorker worker, int i) {
        CompletableFuture<Collection<RowData>> future = new CompletableFuture<>();
        try {
            worker.predict(new Object[] {i, StringData.fromString("row " + i)}, future);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return future;
    }

    static void assertEcho(int i, CompletableFuture<Collection<RowData>> future)
            throws Exception {
        Collection<RowData> rows = future.get();
        assertEquals(1, rows.size());
        RowData row = rows.iterator().next();
        assertEquals(i, row.getInt(0));
        assertEquals("row " + i, row.getString(1).toString());
    }

    static Throwable failure(CompletableFuture<?> future) {
        return assertThrows(CompletionException.class, future::join).getCause();
    }

    final void killWorker() {
        started().forEach(ProcessHandle::destroyForcibly);
    }

    final Set<ProcessHandle> started() {
        Set<ProcessHandle> started = processes();
        started.removeAll(processesBefore);
        return started;
    }

    static Set<ProcessHandle> processes() {
        return ProcessHandle.current().children().collect(Collectors.toSet());
    }

    static Set<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("pyflink-triton: "))
                .collect(Collectors.toSet());
    }
}
