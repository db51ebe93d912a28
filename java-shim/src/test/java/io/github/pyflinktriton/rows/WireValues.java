package io.github.pyflinktriton.rows;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.junit.jupiter.params.provider.Arguments;

import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Stream;

/** Every type that goes on the wire, with its boundary values. */
final class WireValues {

    private WireValues() {}

    static Stream<Arguments> all() {
        return Stream.of(
                Arguments.of(DataTypes.BOOLEAN(), List.of(true, false)),
                Arguments.of(
                        DataTypes.TINYINT(), List.of(Byte.MIN_VALUE, (byte) 0, Byte.MAX_VALUE)),
                Arguments.of(DataTypes.SMALLINT(), List.of(Short.MIN_VALUE, Short.MAX_VALUE)),
                Arguments.of(DataTypes.INT(), List.of(Integer.MIN_VALUE, 0, Integer.MAX_VALUE)),
                Arguments.of(DataTypes.BIGINT(), List.of(Long.MIN_VALUE, 0L, Long.MAX_VALUE)),
                Arguments.of(
                        DataTypes.FLOAT(),
                        List.of(-0.0f, Float.MIN_VALUE, Float.MAX_VALUE, Float.NaN, 1 / 0f)),
                Arguments.of(
                        DataTypes.DOUBLE(),
                        List.of(-0.0, Double.MIN_VALUE, Double.MAX_VALUE, Double.NaN, -1 / 0.0)),
                Arguments.of(
                        DataTypes.DECIMAL(5, 2),
                        List.of(decimal("-999.99", 5, 2), decimal("0.01", 5, 2))),
                Arguments.of(
                        DataTypes.DECIMAL(20, 0),
                        List.of(decimal("18446744073709551615", 20, 0), decimal("-1", 20, 0))),
                Arguments.of(
                        DataTypes.DECIMAL(38, 18),
                        List.of(decimal("99999999999999999999.999999999999999999", 38, 18))),
                Arguments.of(DataTypes.CHAR(3), List.of(string("abc"), string("   "))),
                Arguments.of(DataTypes.VARCHAR(9), List.of(string(""), string("\u00e9\u4e16"))),
                Arguments.of(
                        DataTypes.STRING(),
                        List.of(string(""), string("\ud83d\ude00\n\0"), string("x"))),
                Arguments.of(DataTypes.BINARY(2), List.of(new byte[] {0, -1})),
                Arguments.of(DataTypes.BYTES(), List.of(new byte[0], new byte[] {-128, 127})),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.BOOLEAN()),
                        List.of(new GenericArrayData(new boolean[] {true, false}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.TINYINT()),
                        List.of(new GenericArrayData(new byte[] {-128, 127}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.SMALLINT()),
                        List.of(new GenericArrayData(new short[] {-32768, 32767}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.INT()),
                        List.of(
                                new GenericArrayData(new int[0]),
                                new GenericArrayData(new Integer[] {1, null, Integer.MIN_VALUE}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.BIGINT()),
                        List.of(new GenericArrayData(new long[] {Long.MIN_VALUE, Long.MAX_VALUE}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.FLOAT()),
                        List.of(
                                new GenericArrayData(new float[] {1.5f, Float.NaN}),
                                new GenericArrayData(new Float[] {null}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.DOUBLE()),
                        List.of(new GenericArrayData(new double[] {-0.0, Double.MAX_VALUE}))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.DECIMAL(20, 0)),
                        List.of(array(decimal("18446744073709551615", 20, 0), null))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.STRING()),
                        List.of(array(string("a"), null, string("")), array())),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.BYTES()),
                        List.of(array(new byte[] {1}, new byte[0], null))),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.ARRAY(DataTypes.FLOAT())),
                        List.of(
                                array(
                                        new GenericArrayData(new float[] {1, 2}),
                                        new GenericArrayData(new float[0]),
                                        null),
                                array())),
                Arguments.of(
                        DataTypes.ARRAY(DataTypes.ARRAY(DataTypes.ARRAY(DataTypes.STRING()))),
                        List.of(array(array(array(string("deep")), array()), array()))));
    }

    static LogicalType type(DataType type) {
        return type.getLogicalType();
    }

    static GenericArrayData array(Object... elements) {
        return new GenericArrayData(elements);
    }

    static StringData string(String text) {
        return StringData.fromString(text);
    }

    static DecimalData decimal(String number, int precision, int scale) {
        return DecimalData.fromBigDecimal(new BigDecimal(number), precision, scale);
    }
}
