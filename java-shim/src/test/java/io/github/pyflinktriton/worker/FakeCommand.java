package io.github.pyflinktriton.worker;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts a {@link FakeWorker} in the place of a Python. */
public final class FakeCommand {

    private FakeCommand() {}

    /** The command that starts it, with settings such as {@code does=echo}. */
    public static WorkerCommand of(String... settings) {
        return new WorkerCommand(arguments(settings), "python.executable");
    }

    private static List<String> arguments(String... settings) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                java,
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                FakeWorker.class.getName()));
        arguments.addAll(List.of(settings));
        return arguments;
    }

    /** A script that takes the place of a Python, for where Flink's options choose the program. */
    public static Path script(Path directory, String name, String... settings) throws IOException {
        StringBuilder quoted = new StringBuilder("#!/bin/sh\nexec");
        arguments(settings).forEach(argument -> quoted.append(" '").append(argument).append("'"));
        Path script = Files.writeString(directory.resolve(name), quoted + " \"$@\"\n");
        if (!script.toFile().setExecutable(true)) {
            throw new IOException(script + " cannot be made executable");
        }
        return script;
    }
}
