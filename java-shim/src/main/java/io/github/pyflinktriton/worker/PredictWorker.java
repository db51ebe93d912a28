package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.rows.RowDecoder;
import io.github.pyflinktriton.rows.RowEncoder;
import io.github.pyflinktriton.rows.RowSize;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.memory.unsafe.UnsafeAllocationManager;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.table.data.RowData;

import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;

/**
 * The worker of one function instance, with a model open: takes rows, completes futures with
 * results.
 */
public final class PredictWorker implements AutoCloseable {

    /** Python limits the opening by itself, and heartbeats show that it is alive. */
    private static final Duration OPENING_LIMIT = Duration.ofDays(1);

    private static final Duration THREAD_LIMIT = Duration.ofSeconds(2);

    private final WorkerCommand command;
    private final WorkerClient client;
    private final BufferAllocator allocator;
    private final SharedMemory memory;
    private final RowEncoder encoder;
    private final RowDecoder decoder;
    private final Batcher batcher;

    private PredictWorker(
            String worker,
            ModelCall call,
            WorkerCommand command,
            WorkerClient client,
            JsonNode opened) {
        this.command = command;
        this.client = client;
        InFlightLimits limits = InFlightLimits.of(opened);
        allocator =
                new RootAllocator(
                        RootAllocator.configBuilder()
                                .allocationManagerFactory(UnsafeAllocationManager.FACTORY)
                                .build());
        encoder = new RowEncoder(call.arguments, allocator);
        boolean givesRows = opened.path("gives_rows").asBoolean();
        decoder = new RowDecoder(call.output, givesRows, allocator);
        RowSize sizes = new RowSize(call.arguments);
        memory = SharedMemory.of(opened.path("memory"));
        client.onFreed(memory);
        batcher = new Batcher(worker, client, sizes, memory, encoder, decoder, limits);
    }

    /**
     * Starts a worker and lets it open the model. If that fails, it throws and leaves nothing
     * behind. The command is closed with the worker.
     */
    public static PredictWorker open(
            ModelCall call,
            WorkerCommand command,
            TaskInfo task,
            MetricGroup metrics,
            Duration silence) {
        String worker =
                String.format(
                        "%s (%d/%d)",
                        call.model,
                        task.getIndexOfThisSubtask() + 1,
                        task.getNumberOfParallelSubtasks());
        WorkerClient client = null;
        try {
            WorkerCommand started = command.passing(call.environment());
            client = WorkerClient.start(worker, started, silence, new BridgeMetrics(metrics));
            ObjectNode request = call.toOpen().put("kind", "open");
            request.putObject("task")
                    .put("subtask", task.getIndexOfThisSubtask())
                    .put("parallelism", task.getNumberOfParallelSubtasks());
            JsonNode opened = client.ask(request, "opened", OPENING_LIMIT);
            return new PredictWorker(worker, call, command, client, opened);
        } catch (RuntimeException | Error e) {
            if (client != null) {
                client.close();
            }
            command.close();
            throw e;
        }
    }

    /** Takes a row; blocks while the worker holds as many bytes as it may. */
    public void predict(Object[] row, CompletableFuture<Collection<RowData>> future)
            throws InterruptedException {
        batcher.add(row, future);
    }

    @Override
    public void close() {
        batcher.stop();
        boolean threadsEnded = client.close();
        command.close();
        threadsEnded &= batcher.join(THREAD_LIMIT);
        if (threadsEnded) {
            encoder.close();
            decoder.close();
            memory.close();
            closeAllocator();
        } else {
            // Memory that a thread may still touch must not be freed under it.
            Log.LOG.warn("A thread of a closed Python worker did not end in time.");
        }
    }

    /** A reply that could not be read may have left a buffer; that job has failed already. */
    private void closeAllocator() {
        try {
            allocator.close();
        } catch (IllegalStateException e) {
            Log.LOG.warn("Memory of a reply that could not be read was not given back.", e);
        }
    }
}
