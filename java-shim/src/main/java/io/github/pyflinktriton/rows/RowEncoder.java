package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.VectorUnloader;
import org.apache.arrow.vector.ipc.WriteChannel;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.flink.table.types.logical.RowType;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.util.List;

/** Turns rows into the body of a frame, each value by the column's own type. */
public final class RowEncoder implements AutoCloseable {

    /** Larger buffers are freed, because a reset clears all of their bytes. */
    private static final long KEPT_BYTES = 8 << 20;

    private static final int INITIAL_ROWS = 256;

    private final VectorSchemaRoot root;
    private final VectorUnloader unloader;
    private final ColumnWriter[] columns;
    private boolean cleared = true;

    public RowEncoder(RowType types, BufferAllocator allocator) {
        root = ArrowTypes.root(types, allocator);
        unloader = new VectorUnloader(root);
        columns = new ColumnWriter[types.getFieldCount()];
        for (int c = 0; c < columns.length; c++) {
            columns[c] = ColumnWriter.of(types.getTypeAt(c), root.getVector(c));
        }
    }

    public void encode(List<Object[]> rows, WritableByteChannel frame) throws IOException {
        prepare();
        for (int c = 0; c < columns.length; c++) {
            ColumnWriter column = columns[c];
            if (root.getVector(c) instanceof VarBinaryVector) {
                reserve((VarBinaryVector) root.getVector(c), rows, c);
            }
            for (int r = 0; r < rows.size(); r++) {
                column.write(r, rows.get(r)[c]);
            }
        }
        root.setRowCount(rows.size());
        try (ArrowRecordBatch batch = unloader.getRecordBatch()) {
            cleared = batch.computeBodyLength() > KEPT_BYTES;
            MessageSerializer.serialize(new WriteChannel(frame), batch);
        }
    }

    /** Makes room at once: growing by doubling copies large values several times. */
    private static void reserve(VarBinaryVector vector, List<Object[]> rows, int column) {
        long bytes = 0;
        for (Object[] row : rows) {
            bytes += row[column] == null ? 0 : ((byte[]) row[column]).length;
        }
        if (vector.getDataBuffer().capacity() < bytes) {
            vector.reallocDataBuffer(bytes);
        }
    }

    private void prepare() {
        if (cleared) {
            root.clear();
            for (FieldVector column : root.getFieldVectors()) {
                // Without it a vector allocates as much as it held last.
                column.setInitialCapacity(INITIAL_ROWS);
                column.allocateNew();
            }
            cleared = false;
        } else {
            root.getFieldVectors().forEach(FieldVector::reset);
        }
    }

    @Override
    public void close() {
        root.close();
    }
}
