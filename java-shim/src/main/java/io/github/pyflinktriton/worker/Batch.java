package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.WorkerException;

import org.apache.flink.table.data.RowData;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The rows of one frame, and the futures of those that are not answered yet, in the same order. */
final class Batch {

    private final List<Object[]> rows = new ArrayList<>();
    private final List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
    /** When its first row came. */
    private final long since = System.nanoTime();

    private int unanswered;
    /** Whether it went although it had room for more rows. */
    boolean wentPartial;

    private long bytes;

    /** Whether the frame has room for one more row of this size. */
    boolean takes(long rowBytes, InFlightLimits limits) {
        return size() < limits.frameRows && bytes + rowBytes <= limits.frameBytes;
    }

    boolean isFull(InFlightLimits limits) {
        return size() >= limits.frameRows || bytes >= limits.frameBytes;
    }

    void add(Object[] row, CompletableFuture<Collection<RowData>> future, long rowBytes) {
        rows.add(row);
        futures.add(future);
        unanswered++;
        bytes += rowBytes;
    }

    /** How long its first row has waited, in microseconds. */
    long waited() {
        return (System.nanoTime() - since) / 1000;
    }

    int size() {
        return futures.size();
    }

    long bytes() {
        return bytes;
    }

    List<Object[]> rows() {
        return rows;
    }

    /** Takes the future of a row that is answered now; null if it was answered before. */
    CompletableFuture<Collection<RowData>> answer(int row) {
        CompletableFuture<Collection<RowData>> future = futures.set(row, null);
        if (future != null) {
            unanswered--;
        }
        return future;
    }

    boolean isAnswered() {
        return unanswered == 0;
    }

    void fail(WorkerException failure) {
        for (CompletableFuture<Collection<RowData>> future : futures) {
            if (future != null) {
                future.completeExceptionally(failure);
            }
        }
    }
}
