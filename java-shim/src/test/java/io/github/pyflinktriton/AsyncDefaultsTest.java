package io.github.pyflinktriton;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.junit.jupiter.api.Test;

import java.time.Duration;

class AsyncDefaultsTest {

    private static final Duration NONE = Duration.ZERO;

    private final TableConfig session = TableConfig.getDefault();

    @Test
    void whatTheUserDidNotSetIsRaisedAndNeverLowered() {
        answer(1000);
        assertSession(1000, NONE);
        answer(2000);
        assertSession(2000, NONE);
        answer(500);
        assertSession(2000, NONE);
    }

    @Test
    void flinksOwnDefaultIsTheLeast() {
        answer(1);
        assertSession(10, NONE);
    }

    @Test
    void theUsersOwnValuesStay() {
        Duration users = Duration.ofSeconds(5);
        session.set(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT, users);
        Configuration outer = new Configuration();
        outer.set(
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS, 3);
        session.setRootConfiguration(outer);
        answer(1000);
        assertSession(3, users);
    }

    @Test
    void aValueThatTheUserSetsLaterStays() {
        answer(1000);
        session.set("table.exec.async-ml-predict.max-concurrent-operations", "20");
        session.set("table.exec.async-ml-predict.timeout", "7 s");
        answer(2000);
        assertSession(20, Duration.ofSeconds(7));
    }

    @Test
    void anotherKindOfConfigurationIsLeftAlone() {
        Configuration other = new Configuration();
        AsyncDefaults.raise(other, Frame.JSON.createObjectNode().put("capacity", 1000));
        assertEquals(new Configuration(), other);
    }

    private void answer(int capacity) {
        AsyncDefaults.raise(session, Frame.JSON.createObjectNode().put("capacity", capacity));
    }

    private void assertSession(int capacity, Duration timeout) {
        assertEquals(
                capacity,
                session.get(
                        ExecutionConfigOptions
                                .TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS));
        assertEquals(
                timeout, session.get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT));
    }
}
