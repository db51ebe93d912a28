package io.github.pyflinktriton;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.junit.jupiter.api.Test;

import java.time.Duration;

class AsyncDefaultsTest {

    private final TableConfig session = TableConfig.getDefault();

    @Test
    void whatTheUserDidNotSetIsRaisedAndNeverLowered() {
        raise(1000, 600);
        assertSession(1000, 600);
        raise(2000, 300);
        assertSession(2000, 600);
        raise(500, 900);
        assertSession(2000, 900);
    }

    @Test
    void flinksOwnDefaultIsTheLeast() {
        raise(1, 1);
        assertSession(10, 180);
    }

    @Test
    void theUsersOwnValuesStay() {
        session.set(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT, seconds(5));
        Configuration outer = new Configuration();
        outer.set(
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS, 3);
        session.setRootConfiguration(outer);
        raise(1000, 600);
        assertSession(3, 5);
    }

    @Test
    void aValueThatTheUserSetsLaterStays() {
        raise(1000, 600);
        session.set("table.exec.async-ml-predict.max-concurrent-operations", "20");
        raise(2000, 900);
        assertSession(20, 900);
    }

    @Test
    void anotherKindOfConfigurationIsLeftAlone() {
        Configuration other = new Configuration();
        AsyncDefaults.raise(other, Frame.JSON.createObjectNode().put("capacity", 1000));
        assertEquals(new Configuration(), other);
    }

    private void raise(int capacity, int seconds) {
        AsyncDefaults.raise(
                session,
                Frame.JSON
                        .createObjectNode()
                        .put("capacity", capacity)
                        .put("timeout_ms", seconds * 1000));
    }

    private void assertSession(int capacity, int seconds) {
        assertEquals(
                capacity,
                session.get(
                        ExecutionConfigOptions
                                .TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS));
        assertEquals(
                seconds(seconds),
                session.get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT));
    }

    private static Duration seconds(int seconds) {
        return Duration.ofSeconds(seconds);
    }
}
