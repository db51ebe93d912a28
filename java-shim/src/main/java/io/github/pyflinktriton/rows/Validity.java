package io.github.pyflinktriton.rows;

import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.vector.BitVectorHelper;

/** Reads or sets a range of a vector's validity bits, eight at a time. */
final class Validity {

    private Validity() {}

    static boolean all(ArrowBuf bits, int start, int end) {
        int i = start;
        for (; i < end && i % 8 != 0; i++) {
            if (BitVectorHelper.get(bits, i) == 0) {
                return false;
            }
        }
        for (; i < end - 7; i += 8) {
            if (bits.getByte(i / 8) != -1) {
                return false;
            }
        }
        for (; i < end; i++) {
            if (BitVectorHelper.get(bits, i) == 0) {
                return false;
            }
        }
        return true;
    }

    static void set(ArrowBuf bits, int start, int end) {
        int i = start;
        for (; i < end && i % 8 != 0; i++) {
            BitVectorHelper.setBit(bits, i);
        }
        int bytes = (end - i) / 8;
        bits.setOne(i / 8L, bytes);
        for (i += 8 * bytes; i < end; i++) {
            BitVectorHelper.setBit(bits, i);
        }
    }
}
