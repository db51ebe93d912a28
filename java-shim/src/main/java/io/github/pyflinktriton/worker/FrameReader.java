package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.ProtocolException;

import com.fasterxml.jackson.databind.JsonNode;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Reads frames from the standard output of the worker. */
final class FrameReader {

    static final int PREFIX_BYTES = 12;
    static final long MAX_HEADER_BYTES = 64L << 20;
    /** The protocol's 2 GiB, less what a Java array cannot hold. */
    static final long MAX_BODY_BYTES = Integer.MAX_VALUE - 8;

    private static final int IN_PLACE_BYTES = 16 << 20;

    private final InputStream in;

    FrameReader(InputStream in) {
        this.in = in;
    }

    /** Returns the next frame, or null where the stream ends between two frames. */
    Frame read() throws IOException {
        byte[] prefix = in.readNBytes(PREFIX_BYTES);
        if (prefix.length == 0) {
            return null;
        }
        if (prefix.length < PREFIX_BYTES) {
            throw new EOFException("the stream ended within a frame");
        }
        ByteBuffer lengths = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN);
        long headerBytes = Integer.toUnsignedLong(lengths.getInt());
        long bodyBytes = lengths.getLong();
        if (headerBytes > MAX_HEADER_BYTES || bodyBytes < 0 || bodyBytes > MAX_BODY_BYTES) {
            throw garbage(prefix, headerBytes, bodyBytes);
        }
        byte[] header = read((int) headerBytes);
        JsonNode json;
        try {
            json = Json.MAPPER.readTree(header);
        } catch (IOException e) {
            throw new ProtocolException("a header that is not JSON", header, header.length);
        }
        if (!json.isObject() || !json.path("kind").isTextual()) {
            throw new ProtocolException("a header without a kind", header, header.length);
        }
        return new Frame(json, read((int) bodyBytes));
    }

    private byte[] read(int length) throws IOException {
        // Beyond this it grows with what comes, so that a wrong length costs little memory.
        byte[] bytes = new byte[Math.min(length, IN_PLACE_BYTES)];
        int came = in.readNBytes(bytes, 0, bytes.length);
        if (came == bytes.length && came < length) {
            byte[] rest = in.readNBytes(length - came);
            came += rest.length;
            bytes = Arrays.copyOf(bytes, came);
            System.arraycopy(rest, 0, bytes, came - rest.length, rest.length);
        }
        if (came < length) {
            throw new EOFException("the stream ended within a frame");
        }
        return bytes;
    }

    /** Adds the bytes that have come, which often are a text that says what went wrong. */
    private ProtocolException garbage(byte[] prefix, long headerBytes, long bodyBytes)
            throws IOException {
        byte[] received = Arrays.copyOf(prefix, 256);
        int more = Math.min(in.available(), received.length - prefix.length);
        int length = prefix.length + in.readNBytes(received, prefix.length, more);
        String lengths = Long.toUnsignedString(bodyBytes) + " for the body";
        return new ProtocolException(
                "lengths of " + headerBytes + " for the header and " + lengths, received, length);
    }
}
