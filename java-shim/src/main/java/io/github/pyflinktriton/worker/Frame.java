package io.github.pyflinktriton.worker;

import com.fasterxml.jackson.databind.JsonNode;

/** One message of the bridge: a JSON header and a body that is often empty. */
final class Frame {

    final JsonNode header;
    final byte[] body;

    Frame(JsonNode header, byte[] body) {
        this.header = header;
        this.body = body;
    }

    String kind() {
        return header.path("kind").asText();
    }

    boolean isError() {
        return kind().equals("error");
    }
}
