package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.ReferenceManager;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.IpcOption;
import org.apache.arrow.vector.ipc.message.MessageSerializer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The body of a frame whose length is known and whose values are not copied yet: they go from
 * Flink's objects to the place that the body gets.
 */
public final class EncodedRows {

    private static final int ALIGNMENT = 8;
    /** Before Arrow's metadata: a mark, and their length. */
    private static final int PREFIX_BYTES = 8;

    private static final int MARK = -1;

    private final List<ArrowFieldNode> nodes = new ArrayList<>();
    private final List<Part> parts = new ArrayList<>();
    private ByteBuffer metadata;
    private long bytes;

    EncodedRows() {}

    void add(int values, int nulls) {
        nodes.add(new ArrowFieldNode(values, nulls));
    }

    void add(Part part) {
        parts.add(part);
    }

    /** Lays the message out, once all columns are here. */
    EncodedRows finish(int rows) {
        List<ArrowBuf> buffers = new ArrayList<>(parts.size());
        for (Part part : parts) {
            // Arrow asks for no more than its length.
            buffers.add(
                    new ArrowBuf(ReferenceManager.NO_OP, null, part.bytes(), 0)
                            .writerIndex(part.bytes()));
        }
        try (ArrowRecordBatch batch = new ArrowRecordBatch(rows, nodes, buffers)) {
            metadata = MessageSerializer.serializeMetadata(batch, IpcOption.DEFAULT);
            bytes = PREFIX_BYTES + aligned(metadata.remaining()) + batch.computeBodyLength();
        }
        return this;
    }

    public long bytes() {
        return bytes;
    }

    /** Writes the whole body into a target that has room for it. */
    public void write(ByteBuffer target) {
        target.order(ByteOrder.LITTLE_ENDIAN);
        target.putInt(MARK).putInt((int) aligned(metadata.remaining()));
        int length = metadata.remaining();
        target.put(metadata);
        fill(target, length);
        for (Part part : parts) {
            part.write(target);
            fill(target, part.bytes());
        }
    }

    private static long aligned(long length) {
        return (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static void fill(ByteBuffer target, long length) {
        for (long padding = aligned(length) - length; padding > 0; padding--) {
            target.put((byte) 0);
        }
    }
}
