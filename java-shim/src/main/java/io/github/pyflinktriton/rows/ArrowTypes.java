package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

import java.util.ArrayList;
import java.util.List;

/**
 * Maps each type of Flink to the type of Arrow on the wire; the table is in
 * docs/bridge-protocol.md.
 */
final class ArrowTypes {

    private ArrowTypes() {}

    static VectorSchemaRoot root(RowType row, BufferAllocator allocator) {
        List<Field> fields = new ArrayList<>();
        for (LogicalType type : row.getChildren()) {
            fields.add(field("c" + fields.size(), type));
        }
        return VectorSchemaRoot.create(new Schema(fields), allocator);
    }

    static Field field(String name, LogicalType type) {
        List<Field> children =
                type instanceof ArrayType
                        ? List.of(field("item", ((ArrayType) type).getElementType()))
                        : List.of();
        return new Field(name, FieldType.nullable(arrowType(type)), children);
    }

    private static ArrowType arrowType(LogicalType type) {
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return ArrowType.Bool.INSTANCE;
            case TINYINT:
                return new ArrowType.Int(8, true);
            case SMALLINT:
                return new ArrowType.Int(16, true);
            case INTEGER:
                return new ArrowType.Int(32, true);
            case BIGINT:
                return new ArrowType.Int(64, true);
            case FLOAT:
                return new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
            case DOUBLE:
                return new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE);
            case DECIMAL:
                DecimalType decimal = (DecimalType) type;
                return new ArrowType.Decimal(decimal.getPrecision(), decimal.getScale(), 128);
            case CHAR:
            case VARCHAR:
                return ArrowType.Utf8.INSTANCE;
            case BINARY:
            case VARBINARY:
                return ArrowType.Binary.INSTANCE;
            case ARRAY:
                return ArrowType.List.INSTANCE;
            default:
                throw unsupported(type);
        }
    }

    static UnsupportedOperationException unsupported(LogicalType type) {
        return new UnsupportedOperationException(
                "A column of type " + type.asSummaryString() + " cannot be sent to a model.");
    }
}
