package io.github.pyflinktriton.worker;

import org.apache.flink.table.data.RowData;

import java.util.Collection;
import java.util.Collections;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The answered rows of one reply. The thread that reads replies completes them one by one, until
 * the task's thread comes by and completes the rest: Flink puts a mail into the task's mailbox for
 * each row, and two threads that meet there row after row wake each other for most of them.
 */
final class Answers {

    private final CompletableFuture<Collection<RowData>>[] futures;
    private final Object[] outcomes;
    private int size;
    private final AtomicInteger next = new AtomicInteger();

    @SuppressWarnings({"unchecked", "rawtypes"})
    Answers(int rows) {
        futures = new CompletableFuture[rows];
        outcomes = new Object[rows];
    }

    /** The outcome is an output row, a collection of them, or a failure. */
    void add(CompletableFuture<Collection<RowData>> future, Object outcome) {
        futures[size] = future;
        outcomes[size++] = outcome;
    }

    /** Completes rows while no other thread has taken the rest. */
    void complete() {
        int row;
        while ((row = next.getAndIncrement()) < size) {
            complete(row);
        }
    }

    /** Takes all that are left and completes them. */
    void completeRest() {
        for (int row = next.getAndSet(size); row < size; row++) {
            complete(row);
        }
    }

    @SuppressWarnings("unchecked")
    private void complete(int row) {
        Object outcome = outcomes[row];
        if (outcome instanceof RowData) {
            futures[row].complete(Collections.singletonList((RowData) outcome));
        } else if (outcome instanceof Throwable) {
            futures[row].completeExceptionally((Throwable) outcome);
        } else {
            futures[row].complete((Collection<RowData>) outcome);
        }
    }
}
