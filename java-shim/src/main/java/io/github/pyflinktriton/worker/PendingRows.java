package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.RefusedException;
import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.table.data.RowData;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * The rows that were sent and are not answered yet, by their numbers. A reply may answer some rows
 * of a frame, or rows of several.
 */
final class PendingRows {

    /** By the number of their first row. */
    private final ConcurrentSkipListMap<Long, Batch> batches = new ConcurrentSkipListMap<>();

    void put(long first, Batch batch) {
        batches.put(first, batch);
    }

    /** How many rows a reply says that it answers. */
    static int count(JsonNode runs) throws ProtocolException {
        long rows = 0;
        for (JsonNode run : runs) {
            if (run.path(1).asInt() <= 0) {
                throw new ProtocolException("a run of rows that has none: " + run);
            }
            rows += run.path(1).asInt();
        }
        if (rows == 0 || rows > Integer.MAX_VALUE) {
            throw new ProtocolException("a result for " + rows + " rows");
        }
        return (int) rows;
    }

    /**
     * Gives each row of a reply its result, or the error that came in its place. Returns the frames
     * all of whose rows are answered now.
     *
     * @param results as {@link io.github.pyflinktriton.rows.RowDecoder#decode} returns them
     */
    List<Batch> answer(JsonNode runs, Object[] results, JsonNode errors, Answers answers)
            throws ProtocolException {
        List<Batch> done = new ArrayList<>();
        int place = 0;
        int failed = 0;
        for (JsonNode run : runs) {
            long number = run.path(0).asLong(-1);
            long end = number + run.path(1).asInt();
            while (number < end) {
                Map.Entry<Long, Batch> entry = batches.floorEntry(number);
                if (entry == null || number >= entry.getKey() + entry.getValue().size()) {
                    throw notWaiting(number);
                }
                long first = entry.getKey();
                Batch batch = entry.getValue();
                long stop = Math.min(end, first + batch.size());
                for (; number < stop; number++) {
                    CompletableFuture<Collection<RowData>> future =
                            batch.answer((int) (number - first));
                    if (future == null) {
                        throw notWaiting(number);
                    }
                    JsonNode error = errors.isEmpty() ? null : errors.get(Long.toString(number));
                    if (error == null) {
                        answers.add(future, results[place++]);
                    } else {
                        answers.add(future, new RefusedException(error.asText()));
                        place++;
                        failed++;
                    }
                }
                if (batch.isAnswered()) {
                    batches.remove(first);
                    done.add(batch);
                }
            }
        }
        if (failed != errors.size()) {
            throw new ProtocolException("an error for a row that the reply does not answer");
        }
        return done;
    }

    private static ProtocolException notWaiting(long number) {
        return new ProtocolException("a result for row " + number + ", which does not wait for one");
    }

    /** Fails every row that is not answered. */
    void fail(WorkerException why) {
        batches.values().forEach(batch -> batch.fail(why));
    }
}
