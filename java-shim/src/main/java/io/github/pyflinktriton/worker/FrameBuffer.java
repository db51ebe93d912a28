package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.WorkerException;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Holds one frame as the pipe takes it; reused from frame to frame. */
final class FrameBuffer {

    private static final int KEPT_BYTES = 8 << 20;

    private byte[] bytes = new byte[1024];
    private int size;

    /** Starts a frame with a body of so many bytes, and gives the place where it is to be written. */
    ByteBuffer begin(String header, long bodyBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        reserve(FrameReader.PREFIX_BYTES + json.length + bodyBytes);
        ByteBuffer frame = ByteBuffer.wrap(bytes, 0, size).order(ByteOrder.LITTLE_ENDIAN);
        return frame.putInt(json.length).putLong(bodyBytes).put(json);
    }

    private void reserve(long needed) {
        if (needed > FrameReader.MAX_BODY_BYTES) {
            throw new WorkerException("A row of more than 2 GiB cannot be sent to the worker.");
        }
        size = (int) needed;
        if (size > bytes.length || bytes.length > KEPT_BYTES) {
            long grown = Math.max(size, Math.min(2L * bytes.length, KEPT_BYTES));
            bytes = new byte[(int) grown];
        }
    }

    void writeTo(OutputStream out) throws IOException {
        out.write(bytes, 0, size);
        out.flush();
    }
}
