package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.WorkerException;
import io.github.pyflinktriton.rows.EncodedRows;
import io.github.pyflinktriton.rows.RowDecoder;
import io.github.pyflinktriton.rows.RowEncoder;
import io.github.pyflinktriton.rows.RowSize;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Sends rows to the worker and takes results back, in frames and without a timer. All rows that
 * wait go as soon as a frame may go: an idle worker adds no delay, and a busy one gets full frames.
 */
final class Batcher {

    private final WorkerClient client;
    private final RowSize sizes;
    private final SharedMemory memory;
    private final RowEncoder encoder;
    private final RowDecoder decoder;
    private final SendQueue backlog;
    private final PendingRows pending = new PendingRows();
    private final FrameBuffer frame = new FrameBuffer();
    private final Thread sender;
    /** The rows of a reply that are being completed. */
    private volatile Answers arrived;

    Batcher(
            String worker,
            WorkerClient client,
            RowSize sizes,
            SharedMemory memory,
            RowEncoder encoder,
            RowDecoder decoder,
            InFlightLimits limits) {
        this.client = client;
        this.sizes = sizes;
        this.memory = memory;
        this.encoder = encoder;
        this.decoder = decoder;
        this.backlog = new SendQueue(limits);
        client.onRows(this::reply);
        client.failure()
                .thenAccept(
                        why -> {
                            backlog.end().forEach(batch -> batch.fail(why));
                            pending.fail(why);
                        });
        // A separate thread: if the thread that reads replies also wrote, both sides could block.
        this.sender = WorkerProcess.daemon("frames to " + worker, this::sendFrames);
    }

    /** Takes a row; blocks while the limit of bytes is reached. */
    void add(Object[] row, CompletableFuture<Collection<RowData>> future)
            throws InterruptedException {
        Answers answers = arrived;
        if (answers != null) {
            answers.completeRest();
        }
        if (!backlog.add(row, future, sizes.of(row))) {
            client.failure().thenAccept(future::completeExceptionally);
        }
    }

    private void sendFrames() {
        long first = 0;
        try {
            Batch batch;
            while ((batch = backlog.next()) != null) {
                pending.put(first, batch);
                if (encode(batch, first)) {
                    client.write(frame);
                }
                // A failure that came before the rows were noted has not reached them.
                if (client.failure().isDone()) {
                    batch.fail(client.failure().join());
                }
                first += batch.size();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean encode(Batch batch, long first) {
        try {
            EncodedRows rows = encoder.encode(batch.rows());
            long bytes = rows.bytes();
            long at = memory.take(bytes);
            String header =
                    "{\"kind\":\"predict\",\"first\":"
                            + first
                            + ",\"rows\":"
                            + batch.size()
                            + ",\"waited\":"
                            + batch.waited();
            if (at < 0) {
                rows.write(frame.begin(header + "}", bytes));
            } else {
                rows.write(memory.at(at, bytes));
                frame.begin(header + ",\"at\":" + at + ",\"bytes\":" + bytes + "}", 0);
            }
            // The values are copied by now.
            batch.rows().clear();
            return true;
        } catch (RuntimeException | Error e) {
            String what = "Rows could not be written for the Python worker.";
            client.fail(() -> new WorkerException(what, e));
            return false;
        }
    }

    /** Handles a reply; called by the thread that reads them. */
    private void reply(Frame reply) throws ProtocolException {
        JsonNode runs = reply.header.path("rows");
        int rows = PendingRows.count(runs);
        backlog.holdReply(reply.body.length);
        Answers answers = new Answers(rows);
        List<Batch> done;
        try {
            Object[] results = decode(reply.body, rows);
            done = pending.answer(runs, results, reply.header.path("errors"), answers);
        } finally {
            // Also those before a row that breaks the protocol, because they wait no more.
            arrived = answers;
            answers.complete();
            arrived = null;
        }
        backlog.answered(rows, done, reply.body.length);
    }

    private Object[] decode(byte[] body, int rows) throws ProtocolException {
        try {
            return decoder.decode(body, rows);
        } catch (ProtocolException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // Without the cause's message, which could hold a value.
            throw new ProtocolException(
                    "a body that is not a batch of the output columns: " + e.getClass().getName());
        }
    }

    /** Sends nothing more; rows that wait stay unanswered, because their task is ending. */
    void stop() {
        backlog.end();
    }

    /** Waits for the sending thread, once the worker is gone; false if it does not end. */
    boolean join(Duration limit) {
        return WorkerProcess.join(sender, limit);
    }
}
