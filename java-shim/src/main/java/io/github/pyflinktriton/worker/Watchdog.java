package io.github.pyflinktriton.worker;

import java.time.Duration;

/** Notices a worker that sends nothing while the reader waits for a frame. */
final class Watchdog implements Runnable {

    static final int TICKS = 30;

    private final long tickMillis;
    private final Runnable onSilence;
    private boolean awaiting;
    private boolean stopped;
    private int silentTicks;

    Watchdog(Duration limit, Runnable onSilence) {
        this.tickMillis = Math.max(1, limit.toMillis() / TICKS);
        this.onSilence = onSilence;
    }

    /** The reader waits for a frame from now on. */
    synchronized void awaiting() {
        awaiting = true;
        silentTicks = 0;
    }

    /** A frame came; the reader is busy with it. */
    synchronized void heard() {
        awaiting = false;
    }

    synchronized void stop() {
        stopped = true;
        notifyAll();
    }

    @Override
    public void run() {
        try {
            while (sleep()) {
                if (isSilent()) {
                    onSilence.run();
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized boolean sleep() throws InterruptedException {
        if (!stopped) {
            wait(tickMillis);
        }
        return !stopped;
    }

    /** Counts ticks and reads no clock, because a pause of this JVM must not count as silence. */
    synchronized boolean isSilent() {
        silentTicks = awaiting ? silentTicks + 1 : 0;
        return silentTicks >= TICKS;
    }
}
