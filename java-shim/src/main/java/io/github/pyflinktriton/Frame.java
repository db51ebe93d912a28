package io.github.pyflinktriton;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/** One message of the worker's: a JSON header and a body that is often empty. */
final class Frame {

    static final ObjectMapper JSON = new ObjectMapper();

    final JsonNode header;
    final byte[] body;

    Frame(JsonNode header, byte[] body) {
        this.header = header;
        this.body = body;
    }

    static JsonNode read(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not JSON", e);
        }
    }

    String kind() {
        return header.path("kind").asText();
    }

    boolean isError() {
        return kind().equals("error");
    }
}
