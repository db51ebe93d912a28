package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.ProtocolException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

class FramesTest {

    @Test
    void framesGoRoundThroughOneReusedBuffer() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FrameBuffer buffer = new FrameBuffer();
        byte[] large = new byte[17 << 20];
        Arrays.fill(large, (byte) 7);
        for (byte[] body : new byte[][] {{}, {1, 2, 3}, large, {4}}) {
            buffer.begin("{\"kind\":\"k\",\"text\":\"\u00e9\u4e16\"}", body.length).put(body);
            buffer.writeTo(out);
        }

        FrameReader reader = reader(out.toByteArray());
        for (byte[] body : new byte[][] {{}, {1, 2, 3}, large, {4}}) {
            Frame frame = reader.read();
            assertEquals("k", frame.kind());
            assertEquals("\u00e9\u4e16", frame.header.get("text").asText());
            assertArrayEquals(body, frame.body);
        }
        assertNull(reader.read());
    }

    @Test
    void anEndWithinAFrameIsNoEnd() {
        byte[] whole = frame("{\"kind\":\"k\"}", 5);
        for (int length = 1; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThrows(EOFException.class, () -> reader(cut).read());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"kind\":", "[1]", "\"text\"", "", "{\"id\":1}", "{\"kind\":1}"})
    void aHeaderWithoutAKindIsRefused(String header) {
        assertThrows(ProtocolException.class, () -> reader(frame(header, 0)).read());
    }

    @Test
    void wrongLengthsAreRefusedAndShowWhatCame() {
        byte[] text = ("Traceback\n" + "x".repeat(1000)).getBytes(StandardCharsets.UTF_8);
        Exception e = assertThrows(ProtocolException.class, () -> reader(text).read());
        assertTrue(e.getMessage().contains("Traceback.xxx"), e.getMessage());
        assertFalse(e.getMessage().contains("x".repeat(200)), e.getMessage());
    }

    @Test
    void aLongBodyThatDoesNotComeCostsNoMemory() {
        byte[] bytes =
                ByteBuffer.wrap(frame("{\"kind\":\"k\"}", 0))
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(4, FrameReader.MAX_BODY_BYTES)
                        .array();
        assertThrows(EOFException.class, () -> reader(bytes).read());
    }

    private static FrameReader reader(byte[] bytes) {
        return new FrameReader(new ByteArrayInputStream(bytes));
    }

    private static byte[] frame(String header, int bodyBytes) {
        FrameBuffer buffer = new FrameBuffer();
        buffer.begin(header, bodyBytes).put(new byte[bodyBytes]);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            buffer.writeTo(out);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return out.toByteArray();
    }
}
