package io.github.pyflinktriton;

import com.fasterxml.jackson.databind.JsonNode;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/** Gives every class the one logger that the user documentation names. */
public final class Log {

    public static final Logger LOG = LoggerFactory.getLogger("org.apache.flink.model.triton");

    private static final int TOLD_AT_MOST = 1000;

    private static final Set<String> TOLD = ConcurrentHashMap.newKeySet();
    private static volatile Consumer<String> listener = warning -> {};

    private Log() {}

    /** Sends each new warning to Python too, because PyFlink does not show the log. */
    public static void listen(Consumer<String> python) {
        TOLD.clear();
        listener = python;
    }

    public static void warn(String warning) {
        LOG.warn(warning);
        if (TOLD.size() < TOLD_AT_MOST && TOLD.add(warning)) {
            try {
                listener.accept(warning);
            } catch (RuntimeException e) {
                // The Python process has ended.
                LOG.debug("A warning cannot be shown.", e);
            }
        }
    }

    /** The least level that is logged, for Python: what is below it need not be sent. */
    public static String level() {
        if (LOG.isDebugEnabled()) {
            return "DEBUG";
        }
        return LOG.isInfoEnabled() ? "INFO" : LOG.isWarnEnabled() ? "WARN" : "ERROR";
    }

    /** Logs what Python logged in a worker, by a logger below the one that users know. */
    public static void python(String worker, JsonNode log) {
        Logger logger = LoggerFactory.getLogger(LOG.getName() + "." + log.path("logger").asText());
        String message = log.path("message").asText();
        switch (log.path("level").asText()) {
            case "ERROR":
                logger.error("[{}] {}", worker, message);
                break;
            case "WARN":
                logger.warn("[{}] {}", worker, message);
                break;
            case "INFO":
                logger.info("[{}] {}", worker, message);
                break;
            default:
                logger.debug("[{}] {}", worker, message);
        }
    }

    /** Passes on what Python warned of while a statement was planned. */
    public static void warnings(String model, JsonNode answer) {
        for (JsonNode warning : answer.path("warnings")) {
            warn(model + ": " + warning.asText());
        }
    }
}
