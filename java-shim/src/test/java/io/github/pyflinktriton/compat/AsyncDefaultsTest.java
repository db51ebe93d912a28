package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.StatementException;

import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.apache.flink.table.api.config.ExecutionConfigOptions.RetryStrategy;
import org.junit.jupiter.api.Test;

import java.time.Duration;
import java.util.Optional;

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
    void theDefaultOfFlinkIsTheLeast() {
        answer(1);
        assertSession(10, NONE);
    }

    @Test
    void whatTheUserSetStays() {
        Duration timeout = Duration.ofSeconds(5);
        session.set(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT, timeout);
        Configuration outer = new Configuration();
        outer.set(
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS, 3);
        session.setRootConfiguration(outer);
        answer(1000);
        assertSession(3, timeout);
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
        AsyncDefaults.raise(other, capacity(1000));
        assertEquals(new Configuration(), other);
    }

    @Test
    void aFunctionIsNotRetriedByFlinkAndHasNoTimeOut() {
        AsyncDefaults.prepareScalar(session);
        assertScalar(RetryStrategy.NO_RETRY, NONE, 10);
        AsyncDefaults.raiseScalar(session, capacity(1000));
        assertScalar(RetryStrategy.NO_RETRY, NONE, 1000);
    }

    @Test
    void aRetryThatTheUserSetStaysWithTheTimeOutThatItNeeds() {
        session.set(
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_RETRY_STRATEGY,
                RetryStrategy.FIXED_DELAY);
        AsyncDefaults.raiseScalar(session, capacity(1000));
        assertScalar(RetryStrategy.FIXED_DELAY, Duration.ofMinutes(3), 1000);
    }

    @Test
    void whatMustNotBeRepeatedIsRefusedWhereTheUserRetries() {
        ObjectNode once = capacity(1000).put("no_retry", "the reason");
        AsyncDefaults.raiseScalar(session, once);
        session.set(
                ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_RETRY_STRATEGY,
                RetryStrategy.FIXED_DELAY);
        StatementException refused =
                assertThrows(
                        StatementException.class, () -> AsyncDefaults.raiseScalar(session, once));
        assertEquals("the reason", refused.getMessage());
        assertScalar(RetryStrategy.FIXED_DELAY, Duration.ofMinutes(3), 1000);
    }

    @Test
    void onlyATimeOutThatTheUserSetIsALimit() {
        AsyncDefaults.raise(session, capacity(1000));
        AsyncDefaults.prepareScalar(session);
        assertEquals(Optional.empty(), AsyncDefaults.limit(session));
        assertEquals(Optional.empty(), AsyncDefaults.scalarLimit(session));
        Duration timeout = Duration.ofSeconds(2);
        session.set(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT, timeout);
        session.set(ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_TIMEOUT, timeout);
        AsyncDefaults.raise(session, capacity(1000));
        AsyncDefaults.prepareScalar(session);
        assertEquals(Optional.of(timeout), AsyncDefaults.limit(session));
        assertEquals(Optional.of(timeout), AsyncDefaults.scalarLimit(session));
    }

    private static ObjectNode capacity(int rows) {
        return Json.MAPPER.createObjectNode().put("capacity", rows);
    }

    private void assertScalar(RetryStrategy retry, Duration timeout, int capacity) {
        assertEquals(
                retry, session.get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_RETRY_STRATEGY));
        assertEquals(timeout, session.get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_TIMEOUT));
        assertEquals(
                capacity,
                session.get(
                        ExecutionConfigOptions.TABLE_EXEC_ASYNC_SCALAR_MAX_CONCURRENT_OPERATIONS));
    }

    private void answer(int capacity) {
        AsyncDefaults.raise(session, capacity(capacity));
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
