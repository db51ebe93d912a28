package io.github.pyflinktriton.rows;

import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.DecimalVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.SmallIntVector;
import org.apache.arrow.vector.TinyIntVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;

/** Puts Flink's values of one type into an Arrow vector, from a row or from within an array. */
final class ColumnWriter {

    /** Writes a field of a row that is not NULL. */
    interface FieldWriter {
        void write(int index, Object value);
    }

    /** Writes an element of an array that is not NULL, without boxing it. */
    interface ElementWriter {
        void write(int index, ArrayData array, int position);
    }

    private final FieldVector vector;
    private final FieldWriter field;
    private final ElementWriter element;

    private ColumnWriter(FieldVector vector, FieldWriter field, ElementWriter element) {
        this.vector = vector;
        this.field = field;
        this.element = element;
    }

    void write(int index, Object value) {
        if (value == null) {
            vector.setNull(index);
        } else {
            field.write(index, value);
        }
    }

    void write(int index, ArrayData array, int position) {
        if (array.isNullAt(position)) {
            vector.setNull(index);
        } else {
            element.write(index, array, position);
        }
    }

    static ColumnWriter of(LogicalType type, FieldVector vector) {
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                BitVector bits = (BitVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> bits.setSafe(i, (Boolean) v ? 1 : 0),
                        (i, a, p) -> bits.setSafe(i, a.getBoolean(p) ? 1 : 0));
            case TINYINT:
                TinyIntVector bytes = (TinyIntVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> bytes.setSafe(i, (Byte) v),
                        (i, a, p) -> bytes.setSafe(i, a.getByte(p)));
            case SMALLINT:
                SmallIntVector shorts = (SmallIntVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> shorts.setSafe(i, (Short) v),
                        (i, a, p) -> shorts.setSafe(i, a.getShort(p)));
            case INTEGER:
                IntVector ints = (IntVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> ints.setSafe(i, (Integer) v),
                        (i, a, p) -> ints.setSafe(i, a.getInt(p)));
            case BIGINT:
                BigIntVector longs = (BigIntVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> longs.setSafe(i, (Long) v),
                        (i, a, p) -> longs.setSafe(i, a.getLong(p)));
            case FLOAT:
                Float4Vector floats = (Float4Vector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> floats.setSafe(i, (Float) v),
                        (i, a, p) -> floats.setSafe(i, a.getFloat(p)));
            case DOUBLE:
                Float8Vector doubles = (Float8Vector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> doubles.setSafe(i, (Double) v),
                        (i, a, p) -> doubles.setSafe(i, a.getDouble(p)));
            case DECIMAL:
                DecimalVector decimals = (DecimalVector) vector;
                int precision = ((DecimalType) type).getPrecision();
                int scale = ((DecimalType) type).getScale();
                return new ColumnWriter(
                        vector,
                        (i, v) -> write(decimals, i, (DecimalData) v),
                        (i, a, p) -> write(decimals, i, a.getDecimal(p, precision, scale)));
            case CHAR:
            case VARCHAR:
                VarCharVector strings = (VarCharVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> strings.setSafe(i, ((StringData) v).toBytes()),
                        (i, a, p) -> strings.setSafe(i, a.getString(p).toBytes()));
            case BINARY:
            case VARBINARY:
                VarBinaryVector binaries = (VarBinaryVector) vector;
                return new ColumnWriter(
                        vector,
                        (i, v) -> binaries.setSafe(i, (byte[]) v),
                        (i, a, p) -> binaries.setSafe(i, a.getBinary(p)));
            case ARRAY:
                ListVector lists = (ListVector) vector;
                LogicalType elementType = ((ArrayType) type).getElementType();
                ArrayWriter elements = ArrayWriter.of(elementType, lists.getDataVector());
                return new ColumnWriter(
                        vector,
                        (i, v) -> write(lists, elements, i, (ArrayData) v),
                        (i, a, p) -> write(lists, elements, i, a.getArray(p)));
            default:
                throw ArrowTypes.unsupported(type);
        }
    }

    private static void write(DecimalVector vector, int index, DecimalData value) {
        if (value.isCompact()) {
            vector.setSafe(index, value.toUnscaledLong());
        } else {
            vector.setSafe(index, value.toBigDecimal());
        }
    }

    private static void write(ListVector lists, ArrayWriter elements, int index, ArrayData array) {
        elements.write(lists.startNewValue(index), array);
        lists.endValue(index, array.size());
    }
}
