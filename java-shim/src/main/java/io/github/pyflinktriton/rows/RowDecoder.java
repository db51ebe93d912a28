package io.github.pyflinktriton.rows;

import io.github.pyflinktriton.ProtocolException;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorLoader;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ReadChannel;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.ipc.message.MessageMetadataResult;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.channels.Channels;

/** Turns the body of a reply into rows of the declared output columns. */
public final class RowDecoder implements AutoCloseable {

    private final BufferAllocator allocator;
    private final VectorSchemaRoot root;
    private final VectorLoader loader;
    private final ColumnReader[] columns;

    public RowDecoder(RowType types, BufferAllocator allocator) {
        this.allocator = allocator;
        root = ArrowTypes.root(types, allocator);
        loader = new VectorLoader(root);
        columns = new ColumnReader[types.getFieldCount()];
        for (int c = 0; c < columns.length; c++) {
            columns[c] = ColumnReader.of(types.getTypeAt(c), root.getVector(c));
        }
    }

    /** Reads the rows of a body; their number must be that which the header says. */
    public RowData[] decode(byte[] body, int rows) throws IOException {
        try {
            load(body, rows);
            return rows(rows);
        } finally {
            root.clear();
        }
    }

    private void load(byte[] body, int rows) throws IOException {
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
                load(metadata, buffer, rows);
            } finally {
                buffer.getReferenceManager().release();
            }
        }
    }

    private void load(MessageMetadataResult metadata, ArrowBuf buffer, int rows)
            throws IOException {
        try (ArrowRecordBatch batch =
                MessageSerializer.deserializeRecordBatch(metadata.getMessage(), buffer)) {
            if (batch.getLength() != rows) {
                throw new ProtocolException("a body of " + batch.getLength() + " rows, and not " + rows);
            }
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
