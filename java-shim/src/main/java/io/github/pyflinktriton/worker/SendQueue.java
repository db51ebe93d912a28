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

/** Holds rows back: into frames while others are in flight, and at the door when it is full. */
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

    /** Adds a row; blocks while as many bytes are held as may be. False once it has ended. */
    boolean add(Object[] row, CompletableFuture<Collection<RowData>> future, long bytes)
            throws InterruptedException {
        lock.lockInterruptibly();
        try {
            // A row larger than the limit goes when it is the only one.
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
            // Waking the sender for nothing, row by row, would cost more than the rows do.
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

    /** The body of a reply counts as well, while it is there. */
    void holdReply(long bytes) {
        lock.lock();
        try {
            heldBytes += bytes;
        } finally {
            lock.unlock();
        }
    }

    /** A frame is answered: makes room for its bytes, its reply's and another frame. */
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

    /** Lets nothing in or out any more and returns what was still waiting. */
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
