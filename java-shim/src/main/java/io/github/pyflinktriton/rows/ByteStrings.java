package io.github.pyflinktriton.rows;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.LogicalType;

import java.nio.ByteBuffer;

/** Copies bytes, and texts as UTF-8. */
final class ByteStrings implements DirectValues {

    private static final ByteStrings INSTANCE = new ByteStrings();

    private ByteStrings() {}

    /** Null where values of the type are no strings of bytes. */
    static DirectValues of(LogicalType type) {
        switch (type.getTypeRoot()) {
            case CHAR:
            case VARCHAR:
            case BINARY:
            case VARBINARY:
                return INSTANCE;
            default:
                return null;
        }
    }

    @Override
    public boolean takes(Object value) {
        return value instanceof byte[] || value instanceof BinaryStringData;
    }

    @Override
    public int length(Object value) {
        if (value instanceof byte[]) {
            return ((byte[]) value).length;
        }
        BinaryStringData text = (BinaryStringData) value;
        text.ensureMaterialized();
        return text.getSizeInBytes();
    }

    @Override
    public int width() {
        return 1;
    }

    @Override
    public void write(Object value, ByteBuffer target) {
        if (value instanceof byte[]) {
            target.put((byte[]) value);
            return;
        }
        BinaryStringData text = (BinaryStringData) value;
        MemorySegment[] segments = text.getSegments();
        if (segments.length == 1) {
            segments[0].get(text.getOffset(), target, text.getSizeInBytes());
        } else {
            target.put(text.toBytes());
        }
    }
}
