package io.github.pyflinktriton.rows;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.binary.BinaryArrayData;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Copies arrays of numbers without a NULL; the target's order is little-endian. */
final class NumberArrays implements DirectValues {

    private interface Bulk {
        void write(ByteBuffer target, ArrayData array);
    }

    private static final boolean IS_NATIVE = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

    private final int width;
    private final Bulk bulk;

    private NumberArrays(int width, Bulk bulk) {
        this.width = width;
        this.bulk = bulk;
    }

    /** Null where the elements are no numbers. */
    static NumberArrays of(LogicalType element) {
        switch (element.getTypeRoot()) {
            case TINYINT:
                return new NumberArrays(
                        Byte.BYTES, (target, array) -> target.slice().put(array.toByteArray()));
            case SMALLINT:
                return new NumberArrays(
                        Short.BYTES,
                        (target, array) -> target.asShortBuffer().put(array.toShortArray()));
            case INTEGER:
                return new NumberArrays(
                        Integer.BYTES,
                        (target, array) -> target.asIntBuffer().put(array.toIntArray()));
            case BIGINT:
                return new NumberArrays(
                        Long.BYTES,
                        (target, array) -> target.asLongBuffer().put(array.toLongArray()));
            case FLOAT:
                return new NumberArrays(
                        Float.BYTES,
                        (target, array) -> target.asFloatBuffer().put(array.toFloatArray()));
            case DOUBLE:
                return new NumberArrays(
                        Double.BYTES,
                        (target, array) -> target.asDoubleBuffer().put(array.toDoubleArray()));
            default:
                return null;
        }
    }

    @Override
    public boolean takes(Object value) {
        return value instanceof BinaryArrayData
                ? !((BinaryArrayData) value).anyNull()
                : value instanceof GenericArrayData
                        && ((GenericArrayData) value).isPrimitiveArray();
    }

    @Override
    public int length(Object value) {
        return ((ArrayData) value).size();
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public void write(Object value, ByteBuffer target) {
        ArrayData array = (ArrayData) value;
        int bytes = Math.multiplyExact(array.size(), width);
        if (IS_NATIVE && array instanceof BinaryArrayData) {
            BinaryArrayData binary = (BinaryArrayData) array;
            MemorySegment[] segments = binary.getSegments();
            if (segments.length == 1) {
                int header = BinaryArrayData.calculateHeaderInBytes(array.size());
                segments[0].get(binary.getOffset() + header, target, bytes);
                return;
            }
        }
        bulk.write(target, array);
        target.position(target.position() + bytes);
    }
}
