package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.util.List;

/** A column of any type, whose values are collected in an Arrow vector first. */
final class VectorColumn implements ColumnEncoder {

    /** Larger buffers are freed, because a reset clears all of their bytes. */
    private static final long KEPT_BYTES = 8 << 20;

    private static final int INITIAL_ROWS = 256;

    private final FieldVector vector;
    private final ColumnWriter writer;
    private boolean isNew = true;

    VectorColumn(String name, LogicalType type, BufferAllocator allocator) {
        vector = ArrowTypes.field(name, type).createVector(allocator);
        writer = ColumnWriter.of(type, vector);
    }

    @Override
    public void encode(List<Object[]> rows, int column, EncodedRows body) {
        prepare();
        for (int r = 0; r < rows.size(); r++) {
            writer.write(r, rows.get(r)[column]);
        }
        vector.setValueCount(rows.size());
        isNew = vector.getBufferSize() > KEPT_BYTES;
        add(vector, body);
    }

    private static void add(FieldVector vector, EncodedRows body) {
        body.add(vector.getValueCount(), vector.getNullCount());
        for (ArrowBuf buffer : vector.getFieldBuffers()) {
            body.add(new BufferPart(buffer));
        }
        for (FieldVector child : vector.getChildrenFromFields()) {
            add(child, body);
        }
    }

    private void prepare() {
        if (isNew) {
            vector.clear();
            // Without it a vector allocates as much as it held last.
            vector.setInitialCapacity(INITIAL_ROWS);
            vector.allocateNew();
            isNew = false;
        } else {
            vector.reset();
        }
    }

    @Override
    public void close() {
        vector.close();
    }

    private static final class BufferPart implements Part {
        private final ArrowBuf buffer;

        BufferPart(ArrowBuf buffer) {
            this.buffer = buffer;
        }

        @Override
        public long bytes() {
            return buffer.readableBytes();
        }

        @Override
        public void write(ByteBuffer target) {
            target.put(buffer.nioBuffer(buffer.readerIndex(), (int) bytes()));
        }
    }
}
