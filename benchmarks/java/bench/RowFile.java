package bench;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.binary.BinaryArrayData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows in a file, one after the other, little-endian: a number as it is; a text, bytes and an array
 * behind the count of their bytes.
 */
final class RowFile {

    /** The column that the source fills with the time at which a row leaves it. */
    static final String SENT = "sent";

    private RowFile() {}

    static int sentColumn(RowType type) {
        return type.getFieldNames().indexOf(SENT);
    }

    static GenericRowData[] read(String path, RowType type) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(Path.of(path)));
        in.order(ByteOrder.LITTLE_ENDIAN);
        int sent = sentColumn(type);
        List<GenericRowData> rows = new ArrayList<>();
        while (in.hasRemaining()) {
            GenericRowData row = new GenericRowData(type.getFieldCount());
            for (int c = 0; c < row.getArity(); c++) {
                row.setField(c, c == sent ? (Object) 0L : value(in, type.getTypeAt(c)));
            }
            rows.add(row);
        }
        return rows.toArray(new GenericRowData[0]);
    }

    private static Object value(ByteBuffer in, LogicalType type) {
        switch (type.getTypeRoot()) {
            case FLOAT:
                return in.getFloat();
            case VARCHAR:
                return BinaryStringData.fromBytes(bytes(in));
            case VARBINARY:
                return bytes(in);
            case ARRAY:
                return array(
                        ByteBuffer.wrap(bytes(in)).order(ByteOrder.LITTLE_ENDIAN),
                        ((ArrayType) type).getElementType().getTypeRoot());
            default:
                throw new IllegalArgumentException("the source makes no " + type);
        }
    }

    /** Binary, because Flink writes any other array between two operators element by element. */
    private static BinaryArrayData array(ByteBuffer in, LogicalTypeRoot element) {
        switch (element) {
            case FLOAT:
                float[] floats = new float[in.remaining() / Float.BYTES];
                in.asFloatBuffer().get(floats);
                return BinaryArrayData.fromPrimitiveArray(floats);
            case BIGINT:
                long[] longs = new long[in.remaining() / Long.BYTES];
                in.asLongBuffer().get(longs);
                return BinaryArrayData.fromPrimitiveArray(longs);
            default:
                throw new IllegalArgumentException("the source makes no array of " + element);
        }
    }

    private static byte[] bytes(ByteBuffer in) {
        byte[] bytes = new byte[in.getInt()];
        in.get(bytes);
        return bytes;
    }
}
