package io.github.pyflinktriton;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Set;
import java.util.TreeSet;

/** The fields of the bridge's messages, as Python's tests know them, too. */
public final class BridgeMessages {

    private static final JsonNode ALL = read();

    private BridgeMessages() {}

    /** Every field of the messages in these sections. */
    public static Set<String> fields(String... sections) {
        Set<String> names = new TreeSet<>();
        for (String section : sections) {
            ALL.get(section).forEach(message -> message.forEach(field -> names.add(name(field))));
        }
        return names;
    }

    /** Throws where the shim wrote a message that is not one of these. */
    public static void check(JsonNode header) {
        String kind = header.get("kind").asText();
        Set<String> allowed = new TreeSet<>();
        JsonNode message = ALL.get("from the shim").path(kind);
        check(header, message, allowed);
        if (kind.equals("plan")) {
            String request = header.get("request").asText();
            check(header, ALL.get("planning requests").path(request), allowed);
        }
        checkNames(header, allowed);
        if (header.has("task")) {
            checkObject("task", header.get("task"));
        }
        header.path("input").forEach(column -> checkObject("column", column));
        header.path("output").forEach(column -> checkObject("column", column));
    }

    private static void checkObject(String name, JsonNode object) {
        Set<String> allowed = new TreeSet<>();
        check(object, ALL.get("objects from the shim").get(name), allowed);
        checkNames(object, allowed);
    }

    private static void check(JsonNode object, JsonNode message, Set<String> allowed) {
        if (message.isMissingNode()) {
            throw new AssertionError("bridge-messages.json does not know " + object);
        }
        for (JsonNode field : message) {
            allowed.add(name(field));
            if (!isOptional(field) && !object.has(name(field))) {
                throw new AssertionError("the field " + field + " is missing in " + object);
            }
        }
    }

    private static void checkNames(JsonNode object, Set<String> allowed) {
        object.fieldNames()
                .forEachRemaining(
                        field -> {
                            if (!allowed.contains(field)) {
                                throw new AssertionError(
                                        "bridge-messages.json has no field " + field + " for " + object);
                            }
                        });
    }

    private static boolean isOptional(JsonNode field) {
        return field.asText().endsWith("?");
    }

    private static String name(JsonNode field) {
        return field.asText().replace("?", "");
    }

    private static JsonNode read() {
        try (InputStream in = BridgeMessages.class.getResourceAsStream("/bridge-messages.json")) {
            return new ObjectMapper().readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
