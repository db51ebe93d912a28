package bench;

import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;

import java.util.Arrays;

/**
 * Adds up each column: numbers, the bytes of texts, the first and the last element of arrays. From
 * a column {@code sent} it takes how long the row was under way.
 */
final class Adder implements SinkWriter<RowData> {

    private final LogicalTypeRoot[] types;
    private final int sent;
    private final double[] sums;
    private long[] nanos = new long[1024];
    private long rows;

    Adder(RowType type) {
        types =
                type.getChildren().stream()
                        .map(child -> child.getTypeRoot())
                        .toArray(LogicalTypeRoot[]::new);
        sent = RowFile.sentColumn(type);
        sums = new double[types.length];
    }

    @Override
    public void write(RowData row, Context context) {
        for (int c = 0; c < types.length; c++) {
            if (c == sent) {
                if (rows == nanos.length) {
                    nanos = Arrays.copyOf(nanos, 2 * nanos.length);
                }
                nanos[(int) rows] = System.nanoTime() - row.getLong(c);
            } else if (!row.isNullAt(c)) {
                sums[c] += value(row, c);
            }
        }
        rows++;
    }

    private double value(RowData row, int c) {
        switch (types[c]) {
            case FLOAT:
                return row.getFloat(c);
            case INTEGER:
                return row.getInt(c);
            case VARCHAR:
                return row.getString(c).toBytes().length;
            case ARRAY:
                ArrayData array = row.getArray(c);
                return array.getFloat(0) + array.getFloat(array.size() - 1);
            default:
                throw new IllegalArgumentException("the sink adds no " + types[c]);
        }
    }

    @Override
    public void flush(boolean endOfInput) {
        if (endOfInput) {
            Tally.end(rows, sums, Arrays.copyOf(nanos, sent < 0 ? 0 : (int) rows));
        }
    }

    @Override
    public void close() {}
}
