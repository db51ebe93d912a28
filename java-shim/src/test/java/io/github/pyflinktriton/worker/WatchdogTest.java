package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.time.Duration;

class WatchdogTest {

    private final Watchdog watchdog = new Watchdog(Duration.ofSeconds(30), () -> {});

    @Test
    void onlyUnbrokenSilenceCounts() {
        watchdog.awaiting();
        tick(Watchdog.TICKS - 1);
        watchdog.heard();
        watchdog.awaiting();
        tick(Watchdog.TICKS - 1);
        assertTrue(watchdog.isSilent());
    }

    @Test
    void aBusyReaderIsNoSilentWorker() {
        watchdog.awaiting();
        watchdog.heard();
        tick(10 * Watchdog.TICKS);
    }

    private void tick(int times) {
        for (int i = 0; i < times; i++) {
            assertFalse(watchdog.isSilent());
        }
    }
}
