package io.github.pyflinktriton.worker;

import org.apache.flink.table.data.RowData;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Collects rows into frames while other frames are in flight, and blocks the caller while it is
 * full.
 */
final class SendQueue {

    private final InFlightLimits limits;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition mayAdd = lock.newCondition();
    private final Condition maySend = lock.newCondition();
    private final Deque<Batch> waiting = new ArrayDeque<>();
    private int inFlight;
    private long heldBytes;
    private boolean ended;

    SendQueue(InFlightLimits limits) {
        this.limits = limits;
    }

    /** Adds a row; blocks while the limit of bytes is reached. False once it has ended. */
    boolean add(Object[] row, CompletableFuture<Collection<RowData>> future, long bytes)
            throws InterruptedException {
        lock.lockInterruptibly();
        try {
            // A row larger than the limit is taken when it is the only one.
            while (!ended && heldBytes > 0 && heldBytes + bytes > limits.maxInFlightBytes) {
                mayAdd.await();
            }
            if (ended) {
                return false;
            }
            Batch last = waiting.peekLast();
            if (last == null || !last.takes(bytes, limits)) {
                last = new Batch();
                waiting.addLast(last);
            }
            last.add(row, future, bytes);
            heldBytes += bytes;
            // To wake the sender for each row in vain would cost more than the rows do.
            if (inFlight < limits.framesInFlight) {
                maySend.signal();
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes what goes into the next frame, as soon as one may go; null once it has ended. */
    Batch next() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (!ended && (waiting.isEmpty() || inFlight >= limits.framesInFlight)) {
                maySend.await();
            }
            if (ended) {
                return null;
            }
            inFlight++;
            return waiting.removeFirst();
        } finally {
            lock.unlock();
        }
    }

    /** Counts the bytes of a reply while it is held. */
    void holdReply(long bytes) {
        lock.lock();
        try {
            heldBytes += bytes;
        } finally {
            lock.unlock();
        }
    }

    /** Frees the bytes of a frame and of its reply, so that more rows and another frame may go. */
    void answered(Batch batch, long replyBytes) {
        lock.lock();
        try {
            heldBytes -= batch.bytes() + replyBytes;
            inFlight--;
            mayAdd.signalAll();
            maySend.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Takes and gives nothing more, and returns what was waiting. */
    List<Batch> end() {
        lock.lock();
        try {
            ended = true;
            mayAdd.signalAll();
            maySend.signalAll();
            List<Batch> left = new ArrayList<>(waiting);
            waiting.clear();
            return left;
        } finally {
            lock.unlock();
        }
    }
}
