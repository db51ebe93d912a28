package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** What becomes of rows while the worker is well. */
class PredictWorkerTest extends WorkerTestBase {

    @TempDir private Path directory;

    @Test
    void eachRowGetsItsOwnResult() throws Exception {
        try (PredictWorker worker = open("does=echo")) {
            List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
            for (int i = 0; i < 10_000; i++) {
                futures.add(predict(worker, i));
            }
            for (int i = 0; i < futures.size(); i++) {
                assertEcho(i, futures.get(i));
            }
        }
    }

    @Test
    void repliesMayComeInAnyOrder() throws Exception {
        try (PredictWorker worker = open("does=swap", "frame_rows=1", "frames_in_flight=2")) {
            List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                futures.add(predict(worker, i));
            }
            for (int i = 0; i < futures.size(); i++) {
                assertEcho(i, futures.get(i));
            }
        }
    }

    @Test
    void rowsThatWaitGoTogether() throws Exception {
        Path gate = directory.resolve("gate");
        Path record = directory.resolve("record");
        try (PredictWorker worker =
                open("does=gate", "gate=" + gate, "record=" + record, "rows_in_flight=1")) {
            CompletableFuture<Collection<RowData>> first = predict(worker, 0);
            Await.until(() -> Files.exists(record) && lines(record).size() == 3);
            List<CompletableFuture<Collection<RowData>>> others = new ArrayList<>();
            for (int i = 1; i <= 300; i++) {
                others.add(predict(worker, i));
            }
            assertFalse(first.isDone());
            Files.createFile(gate);
            first.get();
            for (int i = 1; i <= 300; i++) {
                assertEcho(i, others.get(i - 1));
            }
        }
        List<String> frames = lines(record);
        assertTrue(frames.get(2).contains("\"rows\":1"), frames.get(2));
        assertTrue(frames.get(3).contains("\"rows\":256"), frames.get(3));
        assertTrue(frames.get(4).contains("\"rows\":44"), frames.get(4));
    }

    @Test
    void aFullWorkerHoldsTheTaskBack() throws Exception {
        Path gate = directory.resolve("gate");
        try (PredictWorker worker =
                open("does=gate", "gate=" + gate, "frame_rows=1", "max_in_flight_bytes=100")) {
            List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
            Thread task =
                    new Thread(
                            () -> {
                                for (int i = 0; i < 50; i++) {
                                    futures.add(predict(worker, i));
                                }
                            });
            task.start();
            Await.blocked(task);
            assertTrue(futures.size() < 50);
            Files.createFile(gate);
            task.join();
            for (int i = 0; i < 50; i++) {
                assertEcho(i, futures.get(i));
            }
        }
    }

    @Test
    void aBadRowCostsThatRow() throws Exception {
        try (PredictWorker worker = open("does=row errors")) {
            List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
            do {
                // Until two rows share a frame.
                futures.clear();
                for (int i = 0; i < 50; i++) {
                    futures.add(predict(worker, i));
                }
                CompletableFuture.allOf(futures.toArray(new CompletableFuture<?>[0]))
                        .exceptionally(e -> null)
                        .get();
            } while (futures.stream().noneMatch(CompletableFuture::isCompletedExceptionally));
            for (int i = 0; i < 50; i++) {
                if (futures.get(i).isCompletedExceptionally()) {
                    assertEquals("out of range", failure(futures.get(i)).getMessage());
                } else {
                    assertEcho(i, futures.get(i));
                }
            }
            assertFalse(futures.get(0).isCompletedExceptionally());
        }
    }

    @Test
    void whatTheWorkerCountsBecomesMetricsOfFlink() throws Exception {
        Metrics metrics = new Metrics();
        try (PredictWorker worker = open(FakeCommand.of("does=metrics"), metrics)) {
            predict(worker, 0).get();
            predict(worker, 1).get();
        }
        assertEquals(4, metrics.counters.get("requests").getCount());
        assertEquals(4, metrics.histograms.get("latency").getCount());
        assertEquals(5, metrics.histograms.get("latency").getStatistics().getMax());
        assertEquals(7.0, metrics.gauges.get("in_flight").getValue());
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static final class Metrics extends UnregisteredMetricsGroup {
        private final Map<String, Counter> counters = new HashMap<>();
        private final Map<String, Histogram> histograms = new HashMap<>();
        private final Map<String, Gauge<?>> gauges = new HashMap<>();

        @Override
        public Counter counter(String name) {
            return counters.computeIfAbsent(name, super::counter);
        }

        @Override
        public <H extends Histogram> H histogram(String name, H histogram) {
            histograms.put(name, histogram);
            return histogram;
        }

        @Override
        public <T, G extends Gauge<T>> G gauge(String name, G gauge) {
            gauges.put(name, gauge);
            return gauge;
        }
    }
}
