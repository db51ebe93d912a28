package io.github.pyflinktriton.worker;

import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;

/** The memory that a {@link FakeWorker} shares, which is a file of the test. */
final class FakeMemory implements AutoCloseable {

    private final Path path;
    private final RandomAccessFile file;
    private final int bytes;
    private ByteBuffer memory;
    private final Map<String, String> settings;

    private FakeMemory(Path path, int bytes, Map<String, String> settings) throws IOException {
        this.path = path;
        this.settings = settings;
        file = new RandomAccessFile(path.toFile(), "rw");
        file.setLength(bytes);
        this.bytes = bytes;
    }

    /** Null where the test wants none. */
    static FakeMemory of(Map<String, String> settings) throws IOException {
        if (!settings.containsKey("memory")) {
            return null;
        }
        Path path = Path.of(settings.get("memory"));
        int bytes = Integer.parseInt(settings.getOrDefault("memory_bytes", "1048576"));
        return new FakeMemory(path, bytes, settings);
    }

    void name(ObjectNode opened) throws IOException {
        String descriptors = "/proc/" + ProcessHandle.current().pid() + "/fd";
        try (Stream<Path> all = Files.list(Path.of(descriptors))) {
            Path own = all.filter(each -> target(each).equals(path.toString())).findAny().get();
            opened.putObject("memory")
                    .put("file", settings.getOrDefault("memory_file", own.toString()))
                    .put("name", settings.getOrDefault("memory_named", path.toString()))
                    .put("bytes", bytes);
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException e) {
            return "";
        }
    }

    /** The frame with the body that lies in the memory. */
    Frame read(Frame frame) throws IOException {
        if (!frame.header.has("at")) {
            return frame;
        }
        if (memory == null) {
            memory = file.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, bytes);
        }
        byte[] body = new byte[frame.header.get("bytes").asInt()];
        memory.duplicate().position(frame.header.get("at").asInt()).get(body);
        return new Frame(frame.header, body);
    }

    /** Gives the frame's block back with its result. */
    void free(Frame frame, ObjectNode result) {
        if (frame.header.has("at") && !settings.containsKey("memory_keeps")) {
            long start = frame.header.get("at").asLong();
            String named = settings.getOrDefault("memory_frees", String.valueOf(start));
            result.putArray("freed").add(Long.parseLong(named));
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
