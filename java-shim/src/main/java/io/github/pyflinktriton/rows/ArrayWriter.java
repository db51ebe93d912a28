package io.github.pyflinktriton.rows;

import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Writes arrays into the elements of a list: numbers without a NULL at once, others one by one. */
final class ArrayWriter {

    private final FieldVector vector;
    private final ColumnWriter each;
    private final NumberArrays bulk;

    private ArrayWriter(FieldVector vector, ColumnWriter each, NumberArrays bulk) {
        this.vector = vector;
        this.each = each;
        this.bulk = bulk;
    }

    static ArrayWriter of(LogicalType type, FieldVector vector) {
        return new ArrayWriter(vector, ColumnWriter.of(type, vector), NumberArrays.of(type));
    }

    void write(int start, ArrayData array) {
        int size = array.size();
        if (bulk != null && size > 0 && bulk.takes(array)) {
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
        bulk.write(array, target.order(ByteOrder.LITTLE_ENDIAN));
        Validity.set(numbers.getValidityBuffer(), start, end);
    }
}
