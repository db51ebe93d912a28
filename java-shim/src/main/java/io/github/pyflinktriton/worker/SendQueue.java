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

    /** How long rows wait for more where many frames are under way that were not full. */
    private static final long PAUSE_NANOS = 2_000_000;

    private final InFlightLimits limits;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition mayAdd = lock.newCondition();
    private final Condition maySend = lock.newCondition();
    private final Deque<Batch> waiting = new ArrayDeque<>();
    private int rowsInFlight;
    /** Frames in flight that were not full when they went. */
    private int partialFrames;

    private long lastSentAt = System.nanoTime() - PAUSE_NANOS;
    private long heldBytes;
    /** Whether the sender sleeps until there are rows that fit, and not for a pause. */
    private boolean waitsForRoom;

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
            wakeSender();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes what goes into the next frame, as soon as one may go; null once it has ended. */
    Batch next() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (!ended && !mayGo()) {
                waitsForRoom = !fits();
                if (waitsForRoom) {
                    maySend.await();
                } else {
                    maySend.awaitNanos(pause());
                }
                waitsForRoom = false;
            }
            if (ended) {
                return null;
            }
            Batch batch = waiting.getFirst();
            if (!isClosed(batch)) {
                batch.wentPartial = true;
                partialFrames++;
            }
            rowsInFlight += batch.size();
            lastSentAt = System.nanoTime();
            return waiting.removeFirst();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Full frames go while there is room for their rows. Others go at once while few of them are
     * under way, and then after a pause: a frame that waits for a slow answer holds back no other.
     */
    private boolean mayGo() {
        return fits()
                && (isClosed(waiting.getFirst())
                        || partialFrames < limits.framesInFlight
                        || pause() <= 0);
    }

    /** Whether there are rows, and room for those of the first frame. */
    private boolean fits() {
        Batch next = waiting.peekFirst();
        return next != null
                && (rowsInFlight == 0 || rowsInFlight + next.size() <= limits.rowsInFlight);
    }

    private long pause() {
        return lastSentAt + PAUSE_NANOS - System.nanoTime();
    }

    /** Whether the first frame takes no more rows. */
    private boolean isClosed(Batch first) {
        return first.isFull(limits) || waiting.size() > 1;
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

    /** Makes room for as many rows as were answered, and frees what is done with. */
    void answered(int rows, List<Batch> frames, long replyBytes) {
        lock.lock();
        try {
            rowsInFlight -= rows;
            heldBytes -= replyBytes;
            for (Batch frame : frames) {
                heldBytes -= frame.bytes();
                partialFrames -= frame.wentPartial ? 1 : 0;
            }
            mayAdd.signalAll();
            wakeSender();
        } finally {
            lock.unlock();
        }
    }

    /** To wake it in vain for each row or reply would cost more than they do. */
    private void wakeSender() {
        if (mayGo() || (waitsForRoom && fits())) {
            maySend.signal();
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
