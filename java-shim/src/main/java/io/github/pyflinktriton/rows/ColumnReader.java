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
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;

/** Takes Flink's values of one type out of an Arrow vector. */
final class ColumnReader {

    private interface ValueReader {
        Object read(int index);
    }

    private final FieldVector vector;
    private final ValueReader value;

    private ColumnReader(FieldVector vector, ValueReader value) {
        this.vector = vector;
        this.value = value;
    }

    Object read(int index) {
        return vector.isNull(index) ? null : value.read(index);
    }

    static ColumnReader of(LogicalType type, FieldVector vector) {
        return new ColumnReader(vector, valueReader(type, vector));
    }

    private static ValueReader valueReader(LogicalType type, FieldVector vector) {
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                BitVector bits = (BitVector) vector;
                return i -> bits.get(i) != 0;
            case TINYINT:
                return ((TinyIntVector) vector)::get;
            case SMALLINT:
                return ((SmallIntVector) vector)::get;
            case INTEGER:
                return ((IntVector) vector)::get;
            case BIGINT:
                return ((BigIntVector) vector)::get;
            case FLOAT:
                return ((Float4Vector) vector)::get;
            case DOUBLE:
                return ((Float8Vector) vector)::get;
            case DECIMAL:
                DecimalVector decimals = (DecimalVector) vector;
                return i -> decimal(decimals, i, (DecimalType) type);
            case CHAR:
            case VARCHAR:
                VarCharVector strings = (VarCharVector) vector;
                return i -> StringData.fromBytes(strings.get(i));
            case BINARY:
            case VARBINARY:
                return ((VarBinaryVector) vector)::get;
            case ARRAY:
                ListVector lists = (ListVector) vector;
                ArrayReader elements =
                        ArrayReader.of(((ArrayType) type).getElementType(), lists.getDataVector());
                return i ->
                        elements.read(lists.getElementStartIndex(i), lists.getElementEndIndex(i));
            default:
                throw ArrowTypes.unsupported(type);
        }
    }

    private static DecimalData decimal(DecimalVector vector, int index, DecimalType type) {
        int precision = type.getPrecision();
        DecimalData value =
                DecimalData.fromBigDecimal(vector.getObject(index), precision, type.getScale());
        if (value == null) {
            // Flink returns null for an overflow, which must not become a NULL of SQL.
            throw new ArithmeticException("a decimal of more than " + precision + " digits");
        }
        return value;
    }
}
