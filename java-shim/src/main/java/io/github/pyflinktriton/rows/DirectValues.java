package io.github.pyflinktriton.rows;

import java.nio.ByteBuffer;

/** How values of one type that are of different lengths are copied as they are. */
interface DirectValues {

    /** Whether this value can be copied as it is. */
    boolean takes(Object value);

    /** Its number of units. */
    int length(Object value);

    /** The bytes of a unit. */
    int width();

    /** Writes its bytes at the target's position, and moves it behind them. */
    void write(Object value, ByteBuffer target);
}
