package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.WorkerException;

import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** What a worker that dies, hangs or breaks the protocol does to its task. */
class BrokenWorkerTest extends WorkerTestBase {

    @ParameterizedTest
    @CsvSource({
        "die in mid frame, 'exited with code 3. Its last lines on standard error:\n', last words",
        "garbage, broke the protocol: lengths of, Traceback (most recent",
        "bad json, broke the protocol: a header that is not JSON, fake worker: bad json",
        "wrong row count, broke the protocol: a body of 1 rows, fake worker",
        "unknown row, broke the protocol: a result for row 4711, does not wait",
        "no rows, broke the protocol: a run of rows that has none, fake worker",
        "wrong kind, broke the protocol: a reply that no request waits for, null",
        "bad body, broke the protocol: a body, fake worker",
        "cut body, broke the protocol: a body of another length, fake worker",
        "error, The signature has changed., ''",
        "worker error, The worker broke., ''",
    })
    void aBrokenWorkerFailsTheTaskAtOnce(String does, String what, String andAlso) {
        try (PredictWorker worker = open("does=" + does)) {
            Throwable failure = failure(predict(worker, 0));
            assertInstanceOf(WorkerException.class, failure);
            assertTrue(failure.getMessage().contains(what), failure.getMessage());
            assertTrue(failure.getMessage().contains(andAlso), failure.getMessage());
            assertFalse(failure.getMessage().contains("row 0"), "no values in messages");

            assertEquals(failure, failure(predict(worker, 1)), "and each later row as well");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "twice, does not wait for one",
        "unknown error, an error for a row that the reply does not answer",
    })
    void aReplyThatNamesOtherRowsFailsTheNextRow(String does, String what) {
        try (PredictWorker worker = open("does=" + does)) {
            predict(worker, 0).exceptionally(e -> null).join();
            String message = failure(predict(worker, 1)).getMessage();
            assertTrue(message.contains("broke the protocol"), message);
            assertTrue(message.contains(what), message);
        }
    }

    @Test
    void aKilledWorkerFailsTheTaskAtOnce() {
        try (PredictWorker worker = open("does=hang")) {
            CompletableFuture<Collection<RowData>> row = predict(worker, 0);
            killWorker();
            String message = failure(row).getMessage();
            assertTrue(message.contains("code 137 (killed by signal 9)"), message);
        }
    }

    @Test
    void aSilentWorkerIsKilled() {
        silence = Duration.ofSeconds(4);
        try (PredictWorker worker = open("does=hang")) {
            String message = failure(predict(worker, 0)).getMessage();
            assertTrue(message.contains("hangs: no frame and no heartbeat"), message);
            assertTrue(message.contains("fake worker: hang"), message);
        }
    }

    @Test
    void aFailureReachesATaskThatIsHeldBack() throws Exception {
        try (PredictWorker worker = open("does=hang", "frame_rows=1", "max_in_flight_bytes=20")) {
            predict(worker, 0);
            CompletableFuture<CompletableFuture<Collection<RowData>>> held =
                    new CompletableFuture<>();
            Thread task = new Thread(() -> held.complete(predict(worker, 1)));
            task.start();
            Await.blocked(task);
            killWorker();
            assertTrue(failure(held.get()).getMessage().contains("signal 9"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "refuse, The model is not ready., ''",
        "other version, 0.1.0 (protocol 6), pyflink-triton 9.9.9 (protocol 6)",
        "absent, 'exited with code 1 before it was ready', pip install pyflink-triton",
    })
    void whatCannotBeOpenedSaysWhy(String does, String what, String andAlso) {
        Exception e = assertThrows(WorkerException.class, () -> open("does=" + does));
        assertTrue(e.getMessage().contains(what), e.getMessage());
        assertTrue(e.getMessage().contains(andAlso), e.getMessage());
    }

    /** Many lines, several times: what was not read yet when the process had ended was lost. */
    @RepeatedTest(10)
    void aProgramThatEndsAtOnceIsQuotedToItsLastLine() {
        String script = "seq -f 'line %g' 3000 >&2; exit 127";
        WorkerCommand command =
                new WorkerCommand(List.of("/bin/sh", "-c", script), "python.executable");
        Exception e =
                assertThrows(
                        WorkerException.class,
                        () -> open(command, new UnregisteredMetricsGroup()));
        assertTrue(e.getMessage().contains("exited with code 127"), e.getMessage());
        assertTrue(e.getMessage().endsWith("\nline 2999\nline 3000"), e.getMessage());
    }

    @Test
    void aProgramThatIsNotThereIsNamedWithItsOption() {
        WorkerCommand command = WorkerCommand.bridge("/no/such/python", "python.executable");
        Exception e =
                assertThrows(
                        WorkerException.class,
                        () -> open(command, new UnregisteredMetricsGroup()));
        assertTrue(e.getMessage().contains("'/no/such/python -m pyflink_triton.bridge'"));
        assertTrue(e.getMessage().contains("Set 'python.executable'"), e.getMessage());
    }
}
