package io.github.pyflinktriton.rows;

import java.nio.ByteBuffer;

/** One buffer of Arrow's in a frame, which is written once its place is known. */
interface Part {

    long bytes();

    /** Writes its bytes at the target's position, and moves it behind them. */
    void write(ByteBuffer target);
}
