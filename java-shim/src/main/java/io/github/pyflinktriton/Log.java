package io.github.pyflinktriton;

import com.fasterxml.jackson.databind.JsonNode;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives every class the one logger that the user documentation names. */
final class Log {

    static final Logger LOG = LoggerFactory.getLogger("org.apache.flink.model.triton");

    private Log() {}

    /** Passes on what Python warned of while a statement was planned. */
    static void warnings(String model, JsonNode answer) {
        for (JsonNode warning : answer.path("warnings")) {
            LOG.warn("{}: {}", model, warning.asText());
        }
    }
}
