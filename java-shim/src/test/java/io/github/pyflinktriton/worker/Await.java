package io.github.pyflinktriton.worker;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Lets a test wait for what will be so in a moment. */
public final class Await {

    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(20);

    private Await() {}

    public static void until(BooleanSupplier condition) {
        long start = System.nanoTime();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - start > LIMIT_NANOS) {
                throw new AssertionError("it did not come to that within 20 s");
            }
            try {
                TimeUnit.MILLISECONDS.sleep(2);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    static void blocked(Thread thread) {
        until(() -> thread.getState() == Thread.State.WAITING);
    }
}
