package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Lets the caller wait for the header of a reply. */
final class PendingReply implements ReplyHandler {

    private final CompletableFuture<JsonNode> header = new CompletableFuture<>();

    @Override
    public void reply(Frame frame) {
        header.complete(frame.header);
    }

    @Override
    public void failed(WorkerException failure) {
        header.completeExceptionally(failure);
    }

    JsonNode await(Duration limit) throws TimeoutException {
        try {
            return header.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw (WorkerException) e.getCause();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new WorkerException("Interrupted while the Python worker was asked.", e);
        }
    }
}
