package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Json;

import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/** What a {@link FakeWorker} says to a frame of rows, right or wrong. */
final class FakeReplies {

    private final PrintStream out;
    private final Map<String, String> settings;
    private final Deque<Frame> heldBack = new ArrayDeque<>();
    private int predicted;

    FakeReplies(PrintStream out, Map<String, String> settings) {
        this.out = out;
        this.settings = settings;
    }

    void predict(Frame frame, FakeMemory memory) throws Exception {
        predicted++;
        switch (settings.getOrDefault("does", "echo")) {
            case "swap":
                heldBack.push(frame);
                if (heldBack.size() == 2) {
                    echo(heldBack.pop());
                    echo(heldBack.pop());
                }
                break;
            case "die in mid frame":
                System.err.println("last words");
                out.write(new byte[] {40, 0, 0, 0, 0, 0});
                out.flush();
                System.exit(3);
                break;
            case "garbage":
                out.print("Traceback (most recent call last): on the wrong stream");
                out.flush();
                break;
            case "bad json":
                byte[] cut = "{\"k\":".getBytes(StandardCharsets.UTF_8);
                ByteBuffer raw = ByteBuffer.allocate(12 + cut.length);
                raw.order(ByteOrder.LITTLE_ENDIAN).putInt(cut.length).putLong(0).put(cut);
                out.write(raw.array());
                out.flush();
                break;
            case "wrong row count":
                send(result(first(frame), rows(frame) + 1), frame.body);
                break;
            case "unknown row":
                send(result(4711, rows(frame)), frame.body);
                break;
            case "twice":
                send(result(frame), frame.body);
                send(result(frame), frame.body);
                break;
            case "no rows":
                send(result(first(frame), 0), frame.body);
                break;
            case "unknown error":
                ObjectNode unknown = result(frame);
                unknown.putObject("errors").put("4711", "out of range");
                send(unknown, frame.body);
                break;
            case "wrong kind":
                send(reply(frame, "answer"));
                break;
            case "bad body":
                send(result(frame), new byte[frame.body.length]);
                break;
            case "cut body":
                send(result(frame), Arrays.copyOf(frame.body, frame.body.length - 8));
                break;
            case "error":
                refuse(frame, "The signature has changed.");
                break;
            case "worker error":
                ObjectNode error = Json.MAPPER.createObjectNode().put("kind", "error");
                send(error.putNull("id").put("message", "The worker broke."));
                break;
            case "row errors":
                ObjectNode result = result(frame);
                if (rows(frame) > 1) {
                    result.putObject("errors")
                            .put(String.valueOf(first(frame) + 1), "out of range");
                }
                send(result, frame.body);
                break;
            case "metrics":
                ObjectNode counted = result(frame);
                ObjectNode metrics = counted.putObject("metrics");
                metrics.putObject("counters").put("requests", 2);
                metrics.putObject("histograms").putArray("latency").add(3).add(4.6);
                metrics.putObject("gauges").put("in_flight", 7);
                send(counted, frame.body);
                break;
            case "log":
                for (String level : List.of("ERROR", "WARN", "INFO", "DEBUG")) {
                    ObjectNode log = Json.MAPPER.createObjectNode().put("kind", "log");
                    log.put("level", level).put("logger", "pyflink_triton.calls");
                    send(log.put("message", "one of " + level));
                }
                echo(frame);
                break;
            case "hang":
            case "stays":
                break;
            case "gate":
                while (predicted == 1 && !Files.exists(Path.of(settings.get("gate")))) {
                    Thread.sleep(5);
                }
                echo(frame);
                break;
            default:
                ObjectNode echoed = result(frame);
                if (memory != null) {
                    memory.free(frame, echoed);
                }
                send(Json.MAPPER.createObjectNode().put("kind", "heartbeat"));
                send(echoed, frame.body);
        }
    }

    private void echo(Frame frame) throws IOException {
        send(Json.MAPPER.createObjectNode().put("kind", "heartbeat"));
        send(result(frame), frame.body);
    }

    void refuse(Frame frame, String message) throws IOException {
        send(reply(frame, "error").put("message", message));
    }

    private static long first(Frame frame) {
        return frame.header.get("first").asLong();
    }

    private static int rows(Frame frame) {
        return frame.header.get("rows").asInt();
    }

    private static ObjectNode result(Frame frame) {
        return result(first(frame), rows(frame));
    }

    private static ObjectNode result(long first, int rows) {
        ObjectNode result = Json.MAPPER.createObjectNode().put("kind", "result");
        result.putArray("rows").addArray().add(first).add(rows);
        return result;
    }

    static ObjectNode reply(Frame frame, String kind) {
        ObjectNode reply = Json.MAPPER.createObjectNode().put("kind", kind);
        reply.set("id", frame.header.get("id"));
        return reply;
    }

    void send(ObjectNode header) throws IOException {
        send(header, new byte[0]);
    }

    private void send(ObjectNode header, byte[] body) throws IOException {
        FrameBuffer frame = new FrameBuffer();
        frame.begin(header.toString(), body.length).put(body);
        frame.writeTo(out);
    }
}
