package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** Checks that the jar and the Python package have the same version before they exchange rows. */
final class Handshake {

    static final int PROTOCOL = 6;
    static final String VERSION = version();

    private Handshake() {}

    static ObjectNode request() {
        ObjectNode hello = Json.MAPPER.createObjectNode().put("kind", "hello");
        hello.put("protocol", PROTOCOL).put("version", VERSION);
        return hello.put("log_level", Log.level());
    }

    static void check(JsonNode hello) {
        int protocol = hello.path("protocol").asInt();
        String version = hello.path("version").asText();
        if (protocol != PROTOCOL || !version.equals(VERSION)) {
            throw new WorkerException(
                    String.format(
                            "The jar is pyflink-triton-shim %s (protocol %d), but the Python worker"
                                    + " has pyflink-triton %s (protocol %d). Install the package of"
                                    + " the jar's version, or use the jar that comes with the"
                                    + " package.",
                            VERSION, PROTOCOL, version, protocol));
        }
    }

    private static String version() {
        Properties properties = new Properties();
        try (InputStream in = Handshake.class.getResourceAsStream("/pyflink-triton.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }
}
