package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.RefusedException;
import io.github.pyflinktriton.WorkerException;
import io.github.pyflinktriton.rows.RowDecoder;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.table.data.RowData;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The rows of one frame and the futures of their results, in the same order. */
final class Batch {

    private final List<Object[]> rows = new ArrayList<>();
    private final List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();
    private long bytes;

    boolean takes(long rowBytes, InFlightLimits limits) {
        return size() < limits.frameRows && bytes + rowBytes <= limits.frameBytes;
    }

    void add(Object[] row, CompletableFuture<Collection<RowData>> future, long rowBytes) {
        rows.add(row);
        futures.add(future);
        bytes += rowBytes;
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

    /** Completes each row with its result, or with the error that came in its place. */
    void complete(RowDecoder results, JsonNode errors) throws ProtocolException {
        for (Iterator<String> names = errors.fieldNames(); names.hasNext(); ) {
            checkRow(names.next());
        }
        for (int row = 0; row < size(); row++) {
            JsonNode error = errors.isEmpty() ? null : errors.get(String.valueOf(row));
            if (error == null) {
                futures.get(row).complete(Collections.singletonList(results.row(row)));
            } else {
                futures.get(row).completeExceptionally(new RefusedException(error.asText()));
            }
        }
    }

    private void checkRow(String name) throws ProtocolException {
        if (!name.matches("[0-9]{1,9}") || Integer.parseInt(name) >= size()) {
            throw new ProtocolException("an error for row " + name + " of " + size() + " rows");
        }
    }

    void fail(WorkerException failure) {
        futures.forEach(future -> future.completeExceptionally(failure));
    }
}
