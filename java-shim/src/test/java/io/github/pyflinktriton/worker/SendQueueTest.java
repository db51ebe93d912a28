package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.List;
import java.util.concurrent.CompletableFuture;

@Timeout(30)
class SendQueueTest {

    @Test
    void aFrameClosesAtItsRows() throws InterruptedException {
        SendQueue backlog = new SendQueue(limits(3, 1000, 10, 1 << 20));
        add(backlog, 1, 1, 1, 1, 1, 1, 1);
        assertEquals(3, backlog.next().size());
        assertEquals(3, backlog.next().size());
        assertEquals(1, backlog.next().size());
    }

    @Test
    void aFrameClosesAtItsBytesAndALargeRowGoesAlone() throws InterruptedException {
        SendQueue backlog = new SendQueue(limits(256, 100, 10, 1 << 20));
        add(backlog, 40, 40, 40, 1000, 40, 60, 1);
        assertEquals(2, backlog.next().size());
        assertEquals(1, backlog.next().size());
        Batch large = backlog.next();
        assertEquals(1, large.size());
        assertEquals(1000, large.bytes());
        assertEquals(2, backlog.next().size());
        assertEquals(1, backlog.next().size());
    }

    @Test
    void rowsWaitForMoreWhileEnoughFramesAreInFlightButNotForTheirAnswers() throws Exception {
        SendQueue backlog = new SendQueue(limits(256, 1000, 1, 1 << 20));
        add(backlog, 1);
        backlog.next();
        add(backlog, 1, 1, 1);
        assertEquals(3, backlog.next().size());
        // A sender that waits already takes the next row, too.
        CompletableFuture<Batch> third = CompletableFuture.supplyAsync(() -> next(backlog));
        add(backlog, 1);
        assertEquals(1, third.get().size());
    }

    /** Repeated, because what the sender waits for depends on when it looks. */
    @RepeatedTest(100)
    void fullFramesGoWhileThereIsRoomForTheirRows() throws Exception {
        SendQueue backlog = new SendQueue(new InFlightLimits(2, 1000, 1, 6, 1 << 20));
        add(backlog, 1);
        Batch partial = backlog.next();
        assertEquals(1, partial.size());
        add(backlog, 1, 1, 1, 1, 1, 1, 1);
        assertEquals(2, backlog.next().size());
        Batch full = backlog.next();
        assertEquals(2, full.size());
        // 5 of 6 rows are in flight, so 2 more do not fit.
        CompletableFuture<Batch> third = CompletableFuture.supplyAsync(() -> next(backlog));
        assertFalse(third.isDone());
        backlog.answered(1, List.of(), 0);
        assertEquals(2, third.get().size());
        // One row is left; it goes although the frame that was not full is still under way.
        CompletableFuture<Batch> last = CompletableFuture.supplyAsync(() -> next(backlog));
        assertFalse(last.isDone());
        backlog.answered(1, List.of(full), 0);
        assertEquals(1, last.get().size());
    }

    @Test
    void theDoorIsShutWhileTooManyBytesAreHeld() throws Exception {
        SendQueue backlog = new SendQueue(limits(1, 1000, 10, 100));
        add(backlog, 60);
        Batch first = backlog.next();
        Thread adder = new Thread(() -> addQuietly(backlog, 60));
        adder.start();
        Await.blocked(adder);
        backlog.holdReply(10);
        backlog.answered(1, List.of(first), 10);
        adder.join();
        assertEquals(60, backlog.next().bytes());
    }

    @Test
    void aRowLargerThanAllMayHoldGoesWhenAlone() throws InterruptedException {
        SendQueue backlog = new SendQueue(limits(1, 1000, 10, 100));
        add(backlog, 5000);
        assertEquals(5000, backlog.next().bytes());
    }

    @Test
    void theEndWakesEverybody() throws Exception {
        SendQueue full = new SendQueue(limits(10, 1000, 10, 100));
        add(full, 100);
        Thread adder = new Thread(() -> assertFalse(addQuietly(full, 1)));
        adder.start();
        Await.blocked(adder);
        assertEquals(1, full.end().size());
        adder.join();
        assertNull(full.next());

        SendQueue empty = new SendQueue(limits(10, 1000, 10, 100));
        CompletableFuture<Batch> next = CompletableFuture.supplyAsync(() -> next(empty));
        empty.end();
        assertNull(next.get());
    }

    @Test
    void aBlockedRowCanBeInterrupted() throws Exception {
        SendQueue backlog = new SendQueue(limits(10, 1000, 10, 100));
        add(backlog, 100);
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        Thread adder =
                new Thread(
                        () -> {
                            try {
                                backlog.add(new Object[0], new CompletableFuture<>(), 1);
                            } catch (InterruptedException e) {
                                interrupted.complete(true);
                            }
                        });
        adder.start();
        Await.blocked(adder);
        adder.interrupt();
        assertTrue(interrupted.get());
    }

    private static InFlightLimits limits(int rows, long bytes, int frames, long held) {
        return new InFlightLimits(rows, bytes, frames, 10_000, held);
    }

    private static void add(SendQueue backlog, long... bytes) {
        for (long each : bytes) {
            assertTrue(addQuietly(backlog, each));
        }
    }

    private static boolean addQuietly(SendQueue backlog, long bytes) {
        try {
            return backlog.add(new Object[0], new CompletableFuture<>(), bytes);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Batch next(SendQueue backlog) {
        try {
            return backlog.next();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
