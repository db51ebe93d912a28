package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.ProtocolException;

import com.fasterxml.jackson.databind.JsonNode;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;

/**
 * Memory that a worker shares with this process: the body of a large frame lies there, and not in
 * the pipe. The worker gives a block back when nothing refers to its rows any more.
 */
final class SharedMemory implements AutoCloseable {

    /** Stands for the memory where there is none. */
    static final SharedMemory NONE = new SharedMemory(null);

    /** For less, a block costs more than the pipe does. */
    static final long LEAST_BYTES = 64 << 10;

    private static final int PAGE_BYTES = 4096;

    private final ByteBuffer memory;
    /** The ends of the blocks in use by their starts. */
    private final TreeMap<Long, Long> blocks = new TreeMap<>();

    private SharedMemory(ByteBuffer memory) {
        this.memory = memory;
    }

    /** Maps the memory that a worker names; where it cannot be reached, all goes through the pipe. */
    static SharedMemory of(JsonNode named) {
        if (named.isMissingNode()) {
            return NONE;
        }
        Path file = Path.of(named.path("file").asText());
        long bytes = named.path("bytes").asLong();
        try {
            // In another namespace of processes the path is that of another file.
            String target = Files.readSymbolicLink(file).toString();
            if (!target.equals(named.path("name").asText())) {
                throw new IOException(file + " is " + target);
            }
            try (FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                return new SharedMemory(channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes));
            }
        } catch (IOException | RuntimeException e) {
            Log.LOG.debug("The memory of a Python worker cannot be shared.", e);
            return NONE;
        }
    }

    /**
     * Takes a block and returns where it begins; -1 where the body is small or there is no room.
     * The lowest place is taken, so that no more pages are touched than are needed at once.
     */
    synchronized long take(long bytes) {
        if (memory == null || bytes < LEAST_BYTES) {
            return -1;
        }
        long size = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        long start = 0;
        for (Map.Entry<Long, Long> block : blocks.entrySet()) {
            if (block.getKey() - start >= size) {
                break;
            }
            start = block.getValue();
        }
        if (start + size > memory.capacity()) {
            return -1;
        }
        blocks.put(start, start + size);
        return start;
    }

    /** The place of a block that was taken. */
    ByteBuffer at(long start, long bytes) {
        ByteBuffer block = memory.duplicate();
        block.position((int) start).limit((int) (start + bytes));
        return block.slice();
    }

    /** Takes the blocks back that a frame of the worker names. */
    synchronized void free(JsonNode starts) throws ProtocolException {
        for (JsonNode start : starts) {
            if (blocks.remove(start.asLong(-1)) == null) {
                throw new ProtocolException("memory given back that is not in use: " + start);
            }
        }
    }

    /** Unmaps the memory; no thread may use it any more. */
    @Override
    public void close() {
        if (memory == null) {
            return;
        }
        try {
            // Else it stays until the garbage collector comes by, which knows nothing of its size.
            Class<?> type = Class.forName("sun.misc.Unsafe");
            Field unsafe = type.getDeclaredField("theUnsafe");
            unsafe.setAccessible(true);
            type.getMethod("invokeCleaner", ByteBuffer.class).invoke(unsafe.get(null), memory);
        } catch (ReflectiveOperationException | RuntimeException e) {
            Log.LOG.debug("Shared memory is left to the garbage collector.", e);
        }
    }
}
