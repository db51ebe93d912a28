package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.flink.table.types.logical.RowType;

import java.util.List;

/** Turns rows into the body of a frame, each value by the column's own type. */
public final class RowEncoder implements AutoCloseable {

    private final ColumnEncoder[] columns;

    public RowEncoder(RowType types, BufferAllocator allocator) {
        columns = new ColumnEncoder[types.getFieldCount()];
        for (int c = 0; c < columns.length; c++) {
            columns[c] = DirectColumn.of("c" + c, types.getTypeAt(c), allocator);
        }
    }

    /** Encodes rows; what comes out holds until the next call. */
    public EncodedRows encode(List<Object[]> rows) {
        EncodedRows body = new EncodedRows();
        for (int c = 0; c < columns.length; c++) {
            columns[c].encode(rows, c, body);
        }
        return body.finish(rows.size());
    }

    @Override
    public void close() {
        for (ColumnEncoder column : columns) {
            column.close();
        }
    }
}
