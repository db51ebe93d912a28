package io.github.pyflinktriton;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Says that what came from the worker is not a frame of the protocol. */
public final class ProtocolException extends IOException {

    private static final long serialVersionUID = 1L;
    private static final int SHOWN_BYTES = 200;

    public ProtocolException(String what) {
        super(what);
    }

    public ProtocolException(String what, byte[] received, int length) {
        super(what + ": " + printable(received, Math.min(length, SHOWN_BYTES)));
    }

    private static String printable(byte[] bytes, int length) {
        String text = new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
        return '"' + text.replaceAll("[^\\x20-\\x7e]", ".") + '"';
    }
}
