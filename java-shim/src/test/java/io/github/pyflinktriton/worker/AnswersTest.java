package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.RefusedException;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;

@Timeout(30)
class AnswersTest {

    private final List<CompletableFuture<Collection<RowData>>> futures = new ArrayList<>();

    @Test
    void theTaskTakesWhatIsLeft() {
        Answers answers = answers(10);
        Thread reader = Thread.currentThread();
        List<Integer> late = new ArrayList<>();
        // The task comes by while the third row is being completed.
        futures.get(2).thenAccept(row -> inAnotherThread(answers::completeRest));
        for (int i = 3; i < 10; i++) {
            int row = i;
            futures.get(i)
                    .thenAccept(
                            done -> {
                                if (Thread.currentThread() != reader) {
                                    late.add(row);
                                }
                            });
        }
        answers.complete();
        assertEquals(List.of(3, 4, 5, 6, 7, 8, 9), late);
        for (int i = 0; i < 10; i++) {
            assertEquals(i, futures.get(i).join().iterator().next().getInt(0));
        }
    }

    @Test
    void nothingIsCompletedTwice() {
        Answers answers = answers(3);
        answers.complete();
        answers.completeRest();
        answers.complete();
        assertTrue(futures.stream().allMatch(CompletableFuture::isDone));
    }

    @Test
    void aRefusedRowFails() {
        Answers answers = new Answers(2);
        CompletableFuture<Collection<RowData>> refused = new CompletableFuture<>();
        RefusedException why = new RefusedException("out of range");
        answers.add(refused, why);
        answers.complete();
        assertSame(why, WorkerTestBase.failure(refused));
    }

    private Answers answers(int rows) {
        Answers answers = new Answers(rows);
        for (int i = 0; i < rows; i++) {
            CompletableFuture<Collection<RowData>> future = new CompletableFuture<>();
            futures.add(future);
            answers.add(future, GenericRowData.of(i));
        }
        return answers;
    }

    private static void inAnotherThread(Runnable work) {
        Thread thread = new Thread(work);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
