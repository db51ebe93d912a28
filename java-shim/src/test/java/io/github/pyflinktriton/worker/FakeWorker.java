package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.BridgeMessages;

import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/** A worker without Python that answers each row with itself, or misbehaves as it is told. */
public final class FakeWorker {

    private final Map<String, String> settings = new HashMap<>();
    private final FakeReplies replies = new FakeReplies(System.out, settings);
    private FakeMemory memory;

    private FakeWorker(String[] arguments) {
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            if (equals > 0) {
                settings.put(argument.substring(0, equals), argument.substring(equals + 1));
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        new FakeWorker(arguments).serve();
    }

    private String does() {
        return settings.getOrDefault("does", "echo");
    }

    private void serve() throws Exception {
        System.err.println("fake worker: " + does());
        if (does().equals("absent")) {
            System.err.println("No module named pyflink_triton");
            System.exit(1);
        }
        FrameReader in = new FrameReader(new BufferedInputStream(System.in));
        Frame frame;
        while ((frame = in.read()) != null) {
            record(frame);
            BridgeMessages.check(frame.header);
            switch (frame.kind()) {
                case "hello":
                    replies.send(
                            FakeReplies.reply(frame, "hello")
                                    .put("protocol", Handshake.PROTOCOL)
                                    .put(
                                            "version",
                                            does().equals("other version")
                                                    ? "9.9.9"
                                                    : Handshake.VERSION));
                    break;
                case "plan":
                    plan(frame);
                    break;
                case "open":
                    open(frame);
                    break;
                default:
                    replies.predict(memory == null ? frame : memory.read(frame), memory);
            }
        }
        if (does().equals("stays")) {
            Thread.sleep(Long.MAX_VALUE);
        }
    }

    private void plan(Frame frame) throws Exception {
        Path dying = Path.of(settings.getOrDefault("dies once", "/nonexistent"));
        if (Files.exists(dying)) {
            Files.delete(dying);
            System.exit(0);
        }
        if (does().equals("away") && frame.header.path("request").asText().equals("models")) {
            while (Files.exists(Path.of(settings.getOrDefault("held", "/nonexistent")))) {
                Thread.sleep(5);
            }
            replies.refuse(frame, "The server is away.");
            return;
        }
        if (frame.header.path("options").has("wrong")) {
            replies.refuse(frame, "The option 'wrong' is wrong.");
            return;
        }
        ObjectNode answer = FakeReplies.reply(frame, "answer");
        ObjectNode fields = answer.putObject("answer");
        if (frame.header.path("options").has("needs")) {
            fields.putArray("environment").add(frame.header.path("options").get("needs").asText());
        }
        if (frame.header.path("environment").equals(fields.path("environment"))) {
            fields.put("capacity", 1000).putArray("warnings").add("a warning");
        }
        replies.send(answer);
    }

    private void open(Frame frame) throws Exception {
        if (does().equals("refuse")) {
            replies.refuse(frame, "The model is not ready.");
            return;
        }
        ObjectNode opened = FakeReplies.reply(frame, "opened");
        opened.put("frame_rows", setting("frame_rows", 256));
        opened.put("frame_bytes", setting("frame_bytes", 4 << 20));
        opened.put("frames_in_flight", setting("frames_in_flight", 4));
        opened.put("rows_in_flight", setting("rows_in_flight", 1024));
        opened.put("max_in_flight_bytes", setting("max_in_flight_bytes", 256 << 20));
        opened.put("gives_rows", false);
        memory = FakeMemory.of(settings);
        if (memory != null) {
            memory.name(opened);
        }
        replies.send(opened);
    }

    private int setting(String name, int otherwise) {
        return Integer.parseInt(settings.getOrDefault(name, String.valueOf(otherwise)));
    }

    /** Notes what was asked, and in which environment, for the test to read. */
    private void record(Frame frame) throws IOException {
        if (settings.containsKey("record")) {
            ObjectNode noted = frame.header.deepCopy();
            noted.put("sees", " " + String.join(" ", System.getenv().keySet()) + " ");
            Files.writeString(
                    Path.of(settings.get("record")),
                    noted + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        }
    }
}
