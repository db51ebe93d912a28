package io.github.pyflinktriton.rows;

import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.binary.BinaryArrayData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;

/** Estimates what a value takes up on the wire, cheaply enough to be asked for every row. */
final class ColumnSize {

    private static final int OFFSET_BYTES = 4;

    private ColumnSize() {}

    /** The size of every value of the type, or -1 where it depends on the value. */
    static int fixed(LogicalType type) {
        switch (type.getTypeRoot()) {
            case BOOLEAN:
            case TINYINT:
                return 1;
            case SMALLINT:
                return 2;
            case INTEGER:
            case FLOAT:
                return 4;
            case BIGINT:
            case DOUBLE:
                return 8;
            case DECIMAL:
                return 16;
            default:
                return -1;
        }
    }

    /** The size of a value of a type that has no fixed size. */
    static long of(LogicalType type, Object value) {
        if (value == null) {
            return OFFSET_BYTES;
        }
        if (value instanceof BinaryStringData) {
            BinaryStringData string = (BinaryStringData) value;
            string.ensureMaterialized();
            return OFFSET_BYTES + string.getSizeInBytes();
        }
        if (value instanceof byte[]) {
            return OFFSET_BYTES + ((byte[]) value).length;
        }
        return OFFSET_BYTES + elements(((ArrayType) type).getElementType(), (ArrayData) value);
    }

    private static long elements(LogicalType type, ArrayData array) {
        int fixed = fixed(type);
        if (fixed > 0) {
            return (long) fixed * array.size();
        }
        if (array instanceof BinaryArrayData) {
            return ((BinaryArrayData) array).getSizeInBytes();
        }
        ArrayData.ElementGetter getter = ArrayData.createElementGetter(type);
        long bytes = 0;
        for (int position = 0; position < array.size(); position++) {
            bytes += of(type, getter.getElementOrNull(array, position));
        }
        return bytes;
    }
}
