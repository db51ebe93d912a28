package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Property;
import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;

/** What Python logs is logged here: with its level, and by a logger of its logger's name. */
class WorkerLogTest extends WorkerTestBase {

    private static final String LOGGER = "org.apache.flink.model.triton";

    @Test
    void whatPythonLogsKeepsItsLevelAndItsLogger() throws Exception {
        Events events = new Events();
        Logger logger = (Logger) LogManager.getLogger(LOGGER);
        logger.addAppender(events);
        try (PredictWorker worker = open("does=log")) {
            predict(worker, 0).get();
        } finally {
            logger.removeAppender(events);
        }
        assertEquals(
                List.of(
                        Level.ERROR + " one of ERROR",
                        Level.WARN + " one of WARN",
                        Level.INFO + " one of INFO",
                        Level.DEBUG + " one of DEBUG"),
                events.of(LOGGER + ".pyflink_triton.calls"));
    }

    private static final class Events extends AbstractAppender {
        private final List<LogEvent> all = new CopyOnWriteArrayList<>();

        private Events() {
            super("events", null, null, true, Property.EMPTY_ARRAY);
            start();
        }

        @Override
        public void append(LogEvent event) {
            all.add(event.toImmutable());
        }

        private List<String> of(String logger) {
            return all.stream()
                    .filter(event -> event.getLoggerName().equals(logger))
                    .map(event -> event.getLevel() + " " + words(event))
                    .collect(Collectors.toList());
        }

        /** Behind the name of the worker. */
        private static String words(LogEvent event) {
            String message = event.getMessage().getFormattedMessage();
            return message.substring(message.indexOf("] ") + 2);
        }
    }
}
