package io.github.pyflinktriton.rows;

import static io.github.pyflinktriton.rows.WireValues.decimal;
import static io.github.pyflinktriton.rows.WireValues.type;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.ProtocolException;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.ArrayDataSerializer;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

class RowCodecTest {

    private final BufferAllocator allocator = new RootAllocator();

    @AfterEach
    void allMemoryIsFreed() {
        allocator.close();
    }

    /** Each type in a table of several rows, with NULL around and between the values. */
    @ParameterizedTest
    @MethodSource("io.github.pyflinktriton.rows.WireValues#all")
    void everyTypeComesBackAsItWent(DataType dataType, List<Object> values) throws IOException {
        LogicalType type = dataType.getLogicalType();
        List<Object> column = new ArrayList<>();
        column.add(null);
        for (Object value : values) {
            column.add(value);
            column.add(binary(type, value));
            column.add(null);
        }
        List<Object[]> rows = new ArrayList<>();
        column.forEach(value -> rows.add(new Object[] {value, 42}));

        RowType types = RowType.of(type, DataTypes.INT().getLogicalType());
        try (Loop loop = new Loop(types)) {
            // A shorter batch between: nothing may shine through from the one before.
            loop.check(rows);
            loop.check(rows.subList(1, 2));
            loop.check(rows);
        }
    }

    /** Numbers go eight validity bits at a time, so arrays must begin and end anywhere. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void arraysOfAnyLengthFollowEachOther(boolean binary) throws IOException {
        LogicalType type = type(DataTypes.ARRAY(DataTypes.INT()));
        List<Object[]> rows = new ArrayList<>();
        for (int length = 0; length < 40; length++) {
            int[] numbers = new int[length];
            Integer[] withNull = new Integer[length + 1];
            for (int i = 0; i < length; i++) {
                numbers[i] = 1000 * length + i;
                withNull[i] = numbers[i];
            }
            for (Object array :
                    new Object[] {
                        new GenericArrayData(numbers), new GenericArrayData(withNull), null
                    }) {
                rows.add(new Object[] {binary && array != null ? binary(type, array) : array});
            }
        }
        try (Loop loop = new Loop(RowType.of(type))) {
            loop.check(rows);
        }
    }

    @Test
    void aLargeRowLeavesNoTrace() throws IOException {
        RowType types = RowType.of(DataTypes.ARRAY(DataTypes.FLOAT()).getLogicalType());
        float[] large = new float[4 << 20];
        Arrays.fill(large, 0.5f);
        try (Loop loop = new Loop(types)) {
            loop.check(Collections.singletonList(new Object[] {new GenericArrayData(large)}));
            loop.check(
                    List.of(
                            new Object[] {null},
                            new Object[] {new GenericArrayData(new float[] {1})}));
            assertTrue(allocator.getAllocatedMemory() < 1 << 20, "buffers are given back");
        }
    }

    @Test
    void largeBytesBesideSmallOnes() throws IOException {
        RowType types = RowType.of(DataTypes.BYTES().getLogicalType());
        byte[] large = new byte[9 << 20];
        Arrays.fill(large, (byte) -1);
        List<Object[]> rows = new ArrayList<>();
        for (byte[] value : new byte[][] {{1}, large, null, new byte[600_000], {}}) {
            rows.add(new Object[] {value});
        }
        try (Loop loop = new Loop(types)) {
            loop.check(rows);
            loop.check(rows.subList(0, 1));
            assertTrue(allocator.getAllocatedMemory() < 1 << 20, "buffers are given back");
            loop.check(rows.subList(2, 5));
        }
    }

    @Test
    void unknownTypesAreRefused() {
        RowType types = RowType.of(type(DataTypes.TIMESTAMP(3)));
        Exception e =
                assertThrows(
                        UnsupportedOperationException.class,
                        () -> new RowEncoder(types, allocator));
        assertEquals("A column of type TIMESTAMP(3) cannot be sent to a model.", e.getMessage());
    }

    @Test
    void aDecimalThatDoesNotFitIsNoNull() throws IOException {
        RowType wide = RowType.of(type(DataTypes.DECIMAL(9, 0)));
        RowType narrow = RowType.of(type(DataTypes.DECIMAL(5, 0)));
        try (RowEncoder encoder = new RowEncoder(wide, allocator);
                RowDecoder decoder = new RowDecoder(narrow, false, allocator)) {
            Object[] row = {decimal("123456789", 9, 0)};
            byte[] body = body(encoder, Collections.singletonList(row));
            assertThrows(ArithmeticException.class, () -> decoder.decode(body, 1));
        }
    }

    @Test
    void aRowMayHaveAnyNumberOfOutputRows() throws IOException {
        assertEquals(List.of(List.of("a", "b"), List.of(), List.of("c")), groups(3, 0, 0, 2));
        assertEquals(List.of(List.of(), List.of()), groups(2));
    }

    @Test
    void outputRowsBelongToTheRowsInTheirOrder() {
        assertThrows(ProtocolException.class, () -> groups(2, 1, 0));
        assertThrows(ProtocolException.class, () -> groups(2, 0, 2));
        assertThrows(ProtocolException.class, () -> groups(2, -1));
    }

    /** Decodes output rows "a", "b", ... of these owners, and returns those of each row. */
    private List<List<String>> groups(int rows, int... owners) throws IOException {
        LogicalType string = type(DataTypes.STRING());
        List<Object[]> outputs = new ArrayList<>();
        for (int i = 0; i < owners.length; i++) {
            outputs.add(new Object[] {owners[i], StringData.fromString("abc".substring(i, i + 1))});
        }
        try (RowEncoder encoder = new RowEncoder(RowType.of(type(DataTypes.INT()), string), allocator);
                RowDecoder decoder = new RowDecoder(RowType.of(string), true, allocator)) {
            List<List<String>> groups = new ArrayList<>();
            for (Object group : decoder.decode(body(encoder, outputs), rows)) {
                List<String> texts = new ArrayList<>();
                ((List<?>) group).forEach(row -> texts.add(((RowData) row).getString(0).toString()));
                groups.add(texts);
            }
            return groups;
        }
    }

    private final class Loop implements AutoCloseable {
        private final RowType types;
        private final RowEncoder encoder;
        private final RowDecoder decoder;

        Loop(RowType types) {
            this.types = types;
            this.encoder = new RowEncoder(types, allocator);
            this.decoder = new RowDecoder(types, false, allocator);
        }

        void check(List<Object[]> rows) throws IOException {
            Object[] results = decoder.decode(body(encoder, rows), rows.size());
            for (int r = 0; r < rows.size(); r++) {
                RowData row = (RowData) results[r];
                for (int c = 0; c < types.getFieldCount(); c++) {
                    Object read =
                            RowData.createFieldGetter(types.getTypeAt(c), c).getFieldOrNull(row);
                    assertSame(types.getTypeAt(c), rows.get(r)[c], read);
                }
            }
        }

        @Override
        public void close() {
            encoder.close();
            decoder.close();
        }
    }

    private static byte[] body(RowEncoder encoder, List<Object[]> rows) throws IOException {
        EncodedRows encoded = encoder.encode(rows);
        ByteBuffer body = ByteBuffer.allocateDirect((int) encoded.bytes());
        encoded.write(body);
        assertEquals(0, body.remaining());
        byte[] bytes = new byte[body.flip().remaining()];
        body.get(bytes);
        assertArrayEquals(bytes, onTheHeap(encoder.encode(rows)));
        return bytes;
    }

    /** The place of a body that goes through the pipe, behind other bytes. */
    private static byte[] onTheHeap(EncodedRows encoded) {
        byte[] bytes = new byte[(int) encoded.bytes() + 3];
        encoded.write(ByteBuffer.wrap(bytes).position(3));
        return Arrays.copyOfRange(bytes, 3, bytes.length);
    }

    private static void assertSame(LogicalType type, Object sent, Object read) {
        if (sent == null) {
            assertNull(read);
        } else if (type instanceof ArrayType) {
            LogicalType elements = ((ArrayType) type).getElementType();
            ArrayData.ElementGetter getter = ArrayData.createElementGetter(elements);
            ArrayData sentArray = (ArrayData) sent;
            ArrayData readArray = (ArrayData) read;
            assertEquals(sentArray.size(), readArray.size());
            for (int i = 0; i < sentArray.size(); i++) {
                assertSame(
                        elements,
                        getter.getElementOrNull(sentArray, i),
                        getter.getElementOrNull(readArray, i));
            }
        } else if (sent instanceof byte[]) {
            assertArrayEquals((byte[]) sent, (byte[]) read);
        } else {
            assertEquals(sent, read);
        }
    }

    /** Arrays as most operators hand them over. */
    private static Object binary(LogicalType type, Object value) {
        return type instanceof ArrayType
                ? new ArrayDataSerializer(((ArrayType) type).getElementType())
                        .toBinaryArray((ArrayData) value)
                : value;
    }
}
