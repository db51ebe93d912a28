package io.github.pyflinktriton.rows;

import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Reads arrays from the elements of a list: numbers without a NULL as primitive arrays. */
final class ArrayReader {

    private interface BulkReader {
        ArrayData read(ByteBuffer source, int length);
    }

    private final FieldVector vector;
    private final ColumnReader each;
    private final BulkReader bulk;

    private ArrayReader(FieldVector vector, ColumnReader each, BulkReader bulk) {
        this.vector = vector;
        this.each = each;
        this.bulk = bulk;
    }

    static ArrayReader of(LogicalType type, FieldVector vector) {
        return new ArrayReader(vector, ColumnReader.of(type, vector), bulk(type));
    }

    ArrayData read(int start, int end) {
        if (start < 0 || end < start || end > vector.getValueCount()) {
            throw new IndexOutOfBoundsException("an array that ends outside its column");
        }
        if (bulk != null && Validity.all(vector.getValidityBuffer(), start, end)) {
            return readInBulk((BaseFixedWidthVector) vector, start, end - start);
        }
        Object[] values = new Object[end - start];
        for (int i = 0; i < values.length; i++) {
            values[i] = each.read(start + i);
        }
        return new GenericArrayData(values);
    }

    private ArrayData readInBulk(BaseFixedWidthVector numbers, int start, int length) {
        int width = numbers.getTypeWidth();
        int bytes = Math.multiplyExact(length, width);
        ByteBuffer source = numbers.getDataBuffer().nioBuffer((long) start * width, bytes);
        return bulk.read(source.order(ByteOrder.LITTLE_ENDIAN), length);
    }

    private static BulkReader bulk(LogicalType type) {
        switch (type.getTypeRoot()) {
            case TINYINT:
                return (source, length) -> {
                    byte[] values = new byte[length];
                    source.get(values);
                    return new GenericArrayData(values);
                };
            case SMALLINT:
                return (source, length) -> {
                    short[] values = new short[length];
                    source.asShortBuffer().get(values);
                    return new GenericArrayData(values);
                };
            case INTEGER:
                return (source, length) -> {
                    int[] values = new int[length];
                    source.asIntBuffer().get(values);
                    return new GenericArrayData(values);
                };
            case BIGINT:
                return (source, length) -> {
                    long[] values = new long[length];
                    source.asLongBuffer().get(values);
                    return new GenericArrayData(values);
                };
            case FLOAT:
                return (source, length) -> {
                    float[] values = new float[length];
                    source.asFloatBuffer().get(values);
                    return new GenericArrayData(values);
                };
            case DOUBLE:
                return (source, length) -> {
                    double[] values = new double[length];
                    source.asDoubleBuffer().get(values);
                    return new GenericArrayData(values);
                };
            default:
                return null;
        }
    }
}
