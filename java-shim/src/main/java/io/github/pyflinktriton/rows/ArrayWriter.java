package io.github.pyflinktriton.rows;

import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.binary.BinaryArrayData;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Writes arrays into the elements of a list: numbers without a NULL at once, others one by one. */
final class ArrayWriter {

    private interface BulkWriter {
        void write(ByteBuffer target, ArrayData array);
    }

    private final FieldVector vector;
    private final ColumnWriter each;
    private final BulkWriter bulk;

    private ArrayWriter(FieldVector vector, ColumnWriter each, BulkWriter bulk) {
        this.vector = vector;
        this.each = each;
        this.bulk = bulk;
    }

    static ArrayWriter of(LogicalType type, FieldVector vector) {
        return new ArrayWriter(vector, ColumnWriter.of(type, vector), bulk(type));
    }

    void write(int start, ArrayData array) {
        int size = array.size();
        if (bulk != null && size > 0 && hasNoNull(array)) {
            writeInBulk((BaseFixedWidthVector) vector, start, array);
        } else {
            for (int position = 0; position < size; position++) {
                each.write(start + position, array, position);
            }
        }
    }

    private void writeInBulk(BaseFixedWidthVector numbers, int start, ArrayData array) {
        int end = Math.addExact(start, array.size());
        while (numbers.getValueCapacity() < end) {
            numbers.reAlloc();
        }
        int width = numbers.getTypeWidth();
        int bytes = Math.multiplyExact(array.size(), width);
        ByteBuffer target = numbers.getDataBuffer().nioBuffer((long) start * width, bytes);
        bulk.write(target.order(ByteOrder.LITTLE_ENDIAN), array);
        Validity.set(numbers.getValidityBuffer(), start, end);
    }

    private static boolean hasNoNull(ArrayData array) {
        return array instanceof BinaryArrayData
                ? !((BinaryArrayData) array).anyNull()
                : array instanceof GenericArrayData
                        && ((GenericArrayData) array).isPrimitiveArray();
    }

    private static BulkWriter bulk(LogicalType type) {
        switch (type.getTypeRoot()) {
            case TINYINT:
                return (target, array) -> target.put(array.toByteArray());
            case SMALLINT:
                return (target, array) -> target.asShortBuffer().put(array.toShortArray());
            case INTEGER:
                return (target, array) -> target.asIntBuffer().put(array.toIntArray());
            case BIGINT:
                return (target, array) -> target.asLongBuffer().put(array.toLongArray());
            case FLOAT:
                return (target, array) -> target.asFloatBuffer().put(array.toFloatArray());
            case DOUBLE:
                return (target, array) -> target.asDoubleBuffer().put(array.toDoubleArray());
            default:
                return null;
        }
    }
}
