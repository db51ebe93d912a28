package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.WorkerException;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Holds one frame until both of its lengths are known; reused from frame to frame. */
final class FrameBuffer implements WritableByteChannel {

    private static final int KEPT_BYTES = 8 << 20;

    private byte[] bytes = new byte[1024];
    private int size;
    private int headerBytes;

    /** Starts a frame; what is written afterwards is its body. */
    FrameBuffer begin(String header) {
        if (bytes.length > KEPT_BYTES) {
            bytes = new byte[1024];
        }
        size = FrameReader.PREFIX_BYTES;
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        write(ByteBuffer.wrap(json));
        headerBytes = json.length;
        return this;
    }

    @Override
    public int write(ByteBuffer source) {
        int length = source.remaining();
        reserve(length);
        source.get(bytes, size, length);
        size += length;
        return length;
    }

    private void reserve(int more) {
        long needed = (long) size + more;
        if (needed > FrameReader.MAX_BODY_BYTES) {
            throw new WorkerException("A row of more than 2 GiB cannot be sent to the worker.");
        }
        if (needed > bytes.length) {
            long grown = Math.min(Math.max(needed, 2L * bytes.length), FrameReader.MAX_BODY_BYTES);
            bytes = Arrays.copyOf(bytes, (int) grown);
        }
    }

    void writeTo(OutputStream out) throws IOException {
        ByteBuffer.wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(headerBytes)
                .putLong(size - FrameReader.PREFIX_BYTES - headerBytes);
        out.write(bytes, 0, size);
        out.flush();
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
