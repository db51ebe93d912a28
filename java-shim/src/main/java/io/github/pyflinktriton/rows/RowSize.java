package io.github.pyflinktriton.rows;

import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

import java.util.ArrayList;
import java.util.List;

/** Estimates a row's bytes: a constant where all columns are of fixed width. */
public final class RowSize {

    private final long fixedBytes;
    private final List<Integer> variable = new ArrayList<>();
    private final RowType types;

    public RowSize(RowType types) {
        this.types = types;
        long bytes = types.getFieldCount();
        for (int c = 0; c < types.getFieldCount(); c++) {
            int fixed = ColumnSize.fixed(types.getTypeAt(c));
            if (fixed < 0) {
                variable.add(c);
            } else {
                bytes += fixed;
            }
        }
        this.fixedBytes = bytes;
    }

    public long of(Object[] row) {
        long bytes = fixedBytes;
        for (int i = 0; i < variable.size(); i++) {
            int c = variable.get(i);
            LogicalType type = types.getTypeAt(c);
            bytes += ColumnSize.of(type, row[c]);
        }
        return bytes;
    }
}
