package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.BufferAllocator;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;
import java.util.List;

/** A column of bytes, texts or arrays of numbers, whose values are copied to their place at once. */
final class DirectColumn implements ColumnEncoder {

    private final DirectValues values;
    private final boolean areLists;
    /** Takes the rows of a batch in which a value cannot be copied as it is. */
    private final VectorColumn otherwise;

    private DirectColumn(DirectValues values, boolean areLists, VectorColumn otherwise) {
        this.values = values;
        this.areLists = areLists;
        this.otherwise = otherwise;
    }

    /** The encoder of a column; one that collects the values first where its type asks for it. */
    static ColumnEncoder of(String name, LogicalType type, BufferAllocator allocator) {
        VectorColumn otherwise = new VectorColumn(name, type, allocator);
        boolean areLists = type instanceof ArrayType;
        DirectValues values =
                areLists
                        ? NumberArrays.of(((ArrayType) type).getElementType())
                        : ByteStrings.of(type);
        return values == null ? otherwise : new DirectColumn(values, areLists, otherwise);
    }

    @Override
    public void encode(List<Object[]> rows, int column, EncodedRows body) {
        Object[] taken = new Object[rows.size()];
        int[] offsets = new int[taken.length + 1];
        int nulls = 0;
        long units = 0;
        for (int r = 0; r < taken.length; r++) {
            Object value = rows.get(r)[column];
            if (value == null) {
                nulls++;
            } else if (values.takes(value)) {
                units += values.length(value);
            } else {
                otherwise.encode(rows, column, body);
                return;
            }
            taken[r] = value;
            // More than an offset can hold is more than a frame can hold, and is refused there.
            offsets[r + 1] = (int) units;
        }
        body.add(taken.length, nulls);
        body.add(new Presence(taken, nulls));
        body.add(new Offsets(offsets));
        if (areLists) {
            body.add((int) units, 0);
            body.add(new Presence(taken, 0));
        }
        body.add(new Values(values, taken, units * values.width()));
    }

    @Override
    public void close() {
        otherwise.close();
    }

    /** Which values are not NULL; nothing where all are. */
    private static final class Presence implements Part {
        private final Object[] taken;
        private final int nulls;

        Presence(Object[] taken, int nulls) {
            this.taken = taken;
            this.nulls = nulls;
        }

        @Override
        public long bytes() {
            return nulls == 0 ? 0 : (taken.length + 7) / 8;
        }

        @Override
        public void write(ByteBuffer target) {
            if (nulls == 0) {
                return;
            }
            byte[] bits = new byte[(int) bytes()];
            for (int r = 0; r < taken.length; r++) {
                bits[r / 8] |= (taken[r] == null ? 0 : 1) << r % 8;
            }
            target.put(bits);
        }
    }

    private static final class Offsets implements Part {
        private final int[] offsets;

        Offsets(int[] offsets) {
            this.offsets = offsets;
        }

        @Override
        public long bytes() {
            return (long) offsets.length * Integer.BYTES;
        }

        @Override
        public void write(ByteBuffer target) {
            target.asIntBuffer().put(offsets);
            target.position(target.position() + (int) bytes());
        }
    }

    private static final class Values implements Part {
        private final DirectValues values;
        private final Object[] taken;
        private final long bytes;

        Values(DirectValues values, Object[] taken, long bytes) {
            this.values = values;
            this.taken = taken;
            this.bytes = bytes;
        }

        @Override
        public long bytes() {
            return bytes;
        }

        @Override
        public void write(ByteBuffer target) {
            for (Object value : taken) {
                if (value != null) {
                    values.write(value, target);
                }
            }
        }
    }
}
