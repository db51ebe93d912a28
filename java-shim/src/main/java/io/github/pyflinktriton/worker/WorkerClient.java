package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.RefusedException;
import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Sends requests to one worker, reads its replies, and fails all requests when it ends. */
public final class WorkerClient {

    public static final Duration SILENCE_LIMIT = Duration.ofSeconds(30);
    private static final Duration GREETING_LIMIT = Duration.ofSeconds(60);
    private static final Duration CLOSING_GRACE = Duration.ofSeconds(2);

    private final String worker;
    private final WorkerProcess process;
    private final Consumer<JsonNode> metrics;
    private final PendingRequests requests = new PendingRequests();
    private final AtomicLong ids = new AtomicLong();
    private final ReentrantLock writing = new ReentrantLock();
    private final AtomicBoolean failing = new AtomicBoolean();
    private final CompletableFuture<WorkerException> failure = new CompletableFuture<>();
    private final Watchdog watchdog;
    private final Thread watchdogThread;
    private final Thread reader;
    private volatile RowReplies rows = WorkerClient::unexpected;
    private volatile SharedMemory memory = SharedMemory.NONE;
    private volatile boolean greeted;
    private volatile boolean closing;

    private WorkerClient(
            String worker, WorkerCommand command, Duration silence, Consumer<JsonNode> metrics) {
        this.worker = worker;
        this.process = WorkerProcess.start(worker, command);
        this.metrics = metrics;
        this.watchdog = new Watchdog(silence, () -> fail(() -> silent(silence)));
        this.reader = WorkerProcess.daemon("replies of " + worker, this::readReplies);
        this.watchdogThread = WorkerProcess.daemon("watch over " + worker, watchdog);
    }

    /**
     * Starts a worker and checks that its version is that of this jar, or throws and leaves nothing
     * behind.
     */
    static WorkerClient start(
            String worker, WorkerCommand command, Duration silence, Consumer<JsonNode> metrics) {
        WorkerClient client = new WorkerClient(worker, command, silence, metrics);
        try {
            Handshake.check(client.ask(Handshake.request(), "hello", GREETING_LIMIT));
            client.greeted = true;
            return client;
        } catch (RuntimeException e) {
            client.close();
            throw e;
        }
    }

    /** Sends a request without a body and waits for the reply's header. */
    JsonNode ask(ObjectNode request, String replyKind, Duration limit) {
        PendingReply answer = new PendingReply();
        long id = ids.incrementAndGet();
        requests.put(id, replyKind, answer);
        FrameBuffer frame = new FrameBuffer();
        frame.begin(request.put("id", id).toString(), 0);
        write(frame);
        // A failure that came before the request was noted has not reached it.
        if (failure.isDone()) {
            requests.fail(id, failure.join());
        }
        try {
            return answer.await(limit);
        } catch (TimeoutException e) {
            String what = "The Python worker gave no answer within " + limit + ".";
            fail(() -> new WorkerException(what, e));
            throw failure.join();
        }
    }

    /** Sends a frame that is written already; blocks while the worker does not read. */
    void write(FrameBuffer frame) {
        writing.lock();
        try {
            if (!closing && !failure.isDone()) {
                frame.writeTo(process.stdin());
            }
        } catch (IOException e) {
            ended(e);
        } finally {
            writing.unlock();
        }
    }

    /** Sets what takes the replies to rows; called before the first row is sent. */
    void onRows(RowReplies handler) {
        rows = handler;
    }

    /** Sets what takes back the blocks that the worker frees; called before the first is used. */
    void onFreed(SharedMemory shared) {
        memory = shared;
    }

    private void readReplies() {
        try {
            FrameReader in = new FrameReader(process.stdout());
            Frame frame;
            watchdog.awaiting();
            while ((frame = in.read()) != null) {
                watchdog.heard();
                receive(frame);
                watchdog.awaiting();
            }
            ended(null);
        } catch (ProtocolException e) {
            fail(() -> brokenProtocol(e));
        } catch (IOException e) {
            ended(e);
        } catch (RuntimeException | Error e) {
            fail(() -> new WorkerException("A reply of the worker could not be handled.", e));
        }
    }

    private void receive(Frame frame) throws ProtocolException {
        if (frame.header.hasNonNull("metrics")) {
            metrics.accept(frame.header.get("metrics"));
        }
        memory.free(frame.header.path("freed"));
        if (frame.isError() && !frame.header.hasNonNull("id")) {
            fail(() -> new RefusedException(frame.header.path("message").asText()));
        } else if (frame.kind().equals("result")) {
            rows.reply(frame);
        } else if (frame.kind().equals("log")) {
            Log.python(worker, frame.header);
        } else if (!frame.kind().equals("heartbeat")) {
            requests.answer(frame);
        }
    }

    private static void unexpected(Frame frame) throws ProtocolException {
        throw new ProtocolException("rows that were not asked for");
    }

    private WorkerException brokenProtocol(ProtocolException e) {
        String what = "The Python worker broke the protocol: " + e.getMessage() + ".";
        return new WorkerException(what + process.killedWords(), e);
    }

    private WorkerException silent(Duration limit) {
        String what = "The Python worker hangs: no frame and no heartbeat came for ";
        return new WorkerException(what + limit.toMillis() + " ms." + process.killedWords());
    }

    private void ended(IOException cause) {
        fail(() -> new WorkerException(process.describeEnd(greeted), cause));
    }

    /** The failure that ended the worker, once there is one. */
    CompletableFuture<WorkerException> failure() {
        return failure;
    }

    /** Ends the worker: every open request and each later one fails with the first reason. */
    void fail(Supplier<WorkerException> why) {
        // Before the process is killed, or its end would be taken for the reason.
        if (!closing && failing.compareAndSet(false, true)) {
            WorkerException reason = why.get();
            watchdog.stop();
            process.kill();
            failure.complete(reason);
            requests.failAll(reason);
        }
    }

    /**
     * Ends the worker and all that belongs to it; requests still open stay unanswered. False if
     * a thread did not end.
     */
    boolean close() {
        closing = true;
        watchdog.stop();
        process.end(closeStdin() ? CLOSING_GRACE : Duration.ZERO);
        boolean ended = WorkerProcess.join(reader, CLOSING_GRACE);
        ended &= WorkerProcess.join(watchdogThread, CLOSING_GRACE);
        process.closePipes();
        return ended;
    }

    /** Closes the input, which tells the worker to end; not while a frame is being written. */
    private boolean closeStdin() {
        boolean free = false;
        try {
            free = writing.tryLock(CLOSING_GRACE.toMillis(), TimeUnit.MILLISECONDS);
            if (free) {
                process.stdin().close();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            Log.LOG.debug("The Python worker was gone before it was closed.", e);
        } finally {
            if (free) {
                writing.unlock();
            }
        }
        return free;
    }
}
