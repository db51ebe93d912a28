package io.github.pyflinktriton.rows;

import io.github.pyflinktriton.ProtocolException;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VectorLoader;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.MessageMetadataResult;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.RowType;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Turns the body of a reply into rows of the declared output columns. */
public final class RowDecoder implements AutoCloseable {

    private final BufferAllocator allocator;
    private final VectorSchemaRoot root;
    private final VectorLoader loader;
    private final ColumnReader[] columns;
    /** Of each output row the place of the row that it belongs to; null where each has one. */
    private final IntVector owners;

    /**
     * @param givesRows whether a row may have any number of output rows, so that their owners come
     *     before the columns
     */
    public RowDecoder(RowType types, boolean givesRows, BufferAllocator allocator) {
        this.allocator = allocator;
        root = ArrowTypes.root(givesRows ? withOwners(types) : types, allocator);
        loader = new VectorLoader(root);
        owners = givesRows ? (IntVector) root.getVector(0) : null;
        columns = new ColumnReader[types.getFieldCount()];
        for (int c = 0; c < columns.length; c++) {
            FieldVector vector = root.getVector(givesRows ? c + 1 : c);
            columns[c] = ColumnReader.of(types.getTypeAt(c), vector);
        }
    }

    private static RowType withOwners(RowType types) {
        List<RowType.RowField> fields = new ArrayList<>(types.getFields());
        fields.add(0, new RowType.RowField("row", new IntType(false)));
        return new RowType(fields);
    }

    /**
     * Reads a body that answers so many rows, as the header says. Returns for each of them its
     * output row, or the list of them where it may have any number.
     */
    public Object[] decode(byte[] body, int rows) throws IOException {
        try {
            load(body);
            int count = root.getRowCount();
            if (owners != null) {
                return grouped(rows(count), rows);
            }
            if (count != rows) {
                throw new ProtocolException("a body of " + count + " rows, and not " + rows);
            }
            return rows(count);
        } finally {
            root.clear();
        }
    }

    private List<?>[] grouped(RowData[] outputs, int rows) throws ProtocolException {
        List<RowData> all = Arrays.asList(outputs);
        List<?>[] groups = new List<?>[rows];
        int start = 0;
        for (int row = 0; row < rows; row++) {
            int end = start;
            while (end < outputs.length && !owners.isNull(end) && owners.get(end) == row) {
                end++;
            }
            groups[row] = all.subList(start, end);
            start = end;
        }
        if (start < outputs.length) {
            throw new ProtocolException("an output row that belongs to no row in its order");
        }
        return groups;
    }

    private void load(byte[] body) throws IOException {
        ByteArrayInputStream bytes = new ByteArrayInputStream(body);
        try (ReadChannel channel = new ReadChannel(Channels.newChannel(bytes))) {
            MessageMetadataResult metadata = MessageSerializer.readMessage(channel);
            if (metadata == null || metadata.getMessageBodyLength() != bytes.available()) {
                throw new ProtocolException("a body of another length than its metadata says");
            }
            ArrowBuf buffer = allocator.buffer(bytes.available());
            try {
                channel.readFully(buffer, buffer.capacity());
                buffer.getReferenceManager().retain();
                load(metadata, buffer);
            } finally {
                buffer.getReferenceManager().release();
            }
        }
    }

    private void load(MessageMetadataResult metadata, ArrowBuf buffer) throws IOException {
        try (ArrowRecordBatch batch =
                MessageSerializer.deserializeRecordBatch(metadata.getMessage(), buffer)) {
            loader.load(batch);
        }
    }

    /** Column by column, so that each loop has one type of values. */
    private RowData[] rows(int count) {
        GenericRowData[] rows = new GenericRowData[count];
        for (int r = 0; r < count; r++) {
            rows[r] = new GenericRowData(columns.length);
        }
        for (int c = 0; c < columns.length; c++) {
            ColumnReader column = columns[c];
            for (int r = 0; r < count; r++) {
                rows[r].setField(c, column.read(r));
            }
        }
        return rows;
    }

    @Override
    public void close() {
        root.close();
    }
}
