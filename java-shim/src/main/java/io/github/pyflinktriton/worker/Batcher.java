package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.WorkerException;
import io.github.pyflinktriton.rows.RowDecoder;
import io.github.pyflinktriton.rows.RowEncoder;
import io.github.pyflinktriton.rows.RowSize;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;

/**
 * Sends rows to the worker and takes results back, in frames and without a timer. All rows that
 * wait go as soon as a frame may go: an idle worker adds no delay, and a busy one gets full frames.
 */
final class Batcher {

    private final WorkerClient client;
    private final RowSize sizes;
    private final RowEncoder encoder;
    private final RowDecoder decoder;
    private final SendQueue backlog;
    private final FrameBuffer frame = new FrameBuffer();
    private final Thread sender;

    Batcher(
            String worker,
            WorkerClient client,
            RowSize sizes,
            RowEncoder encoder,
            RowDecoder decoder,
            InFlightLimits limits) {
        this.client = client;
        this.sizes = sizes;
        this.encoder = encoder;
        this.decoder = decoder;
        this.backlog = new SendQueue(limits);
        client.failure().thenAccept(why -> backlog.end().forEach(batch -> batch.fail(why)));
        // A separate thread: if the thread that reads replies also wrote, both sides could block.
        this.sender = WorkerProcess.daemon("frames to " + worker, this::sendFrames);
    }

    /** Takes a row; blocks while the limit of bytes is reached. */
    void add(Object[] row, CompletableFuture<Collection<RowData>> future)
            throws InterruptedException {
        if (!backlog.add(row, future, sizes.of(row))) {
            client.failure().thenAccept(future::completeExceptionally);
        }
    }

    private void sendFrames() {
        try {
            Batch batch;
            while ((batch = backlog.next()) != null) {
                long id = client.nextId();
                if (encode(batch, id)) {
                    client.send(id, "result", frame, new Result(batch));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean encode(Batch batch, long id) {
        frame.begin("{\"kind\":\"predict\",\"id\":" + id + ",\"rows\":" + batch.size() + "}");
        try {
            encoder.encode(batch.rows(), frame);
            // The frame holds the values by now.
            batch.rows().clear();
            return true;
        } catch (IOException | RuntimeException | Error e) {
            String what = "Rows could not be written for the Python worker.";
            fail(batch, new WorkerException(what, e));
            return false;
        }
    }

    private void fail(Batch batch, WorkerException why) {
        batch.fail(why);
        client.fail(() -> why);
    }

    /** Sends nothing more; rows that wait stay unanswered, because their task is ending. */
    void stop() {
        backlog.end();
    }

    /** Waits for the sending thread, once the worker is gone; false if it does not end. */
    boolean join(Duration limit) {
        return WorkerProcess.join(sender, limit);
    }

    /** Handles the reply to one frame. */
    private final class Result implements ReplyHandler {

        private final Batch batch;

        Result(Batch batch) {
            this.batch = batch;
        }

        @Override
        public void reply(Frame reply) throws ProtocolException {
            backlog.holdReply(reply.body.length);
            JsonNode rows = reply.header.path("rows");
            if (rows.asInt(-1) != batch.size()) {
                throw new ProtocolException(rows + " rows for " + batch.size() + " sent");
            }
            try {
                decoder.load(reply.body, batch.size());
                batch.complete(decoder, reply.header.path("errors"));
            } catch (ProtocolException e) {
                throw e;
            } catch (IOException | RuntimeException e) {
                // Without the cause's message, which could hold a value.
                throw new ProtocolException(
                        "a body that is not a batch of the output columns: "
                                + e.getClass().getName());
            } finally {
                decoder.clear();
            }
            backlog.answered(batch, reply.body.length);
        }

        @Override
        public void failed(WorkerException why) {
            Batcher.this.fail(batch, why);
        }
    }
}
