package io.github.pyflinktriton.worker;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;

import java.io.File;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Chooses the Python for planning and for tasks as PyFlink does; no option of a model can choose
 * it.
 */
public final class PythonCommands implements Serializable {

    private static final long serialVersionUID = 1L;

    // By key, because the jar of flink-python, which declares them, may be absent.
    private static final ConfigOption<String> EXECUTABLE = option("python.executable");
    private static final ConfigOption<String> CLIENT_EXECUTABLE =
            option("python.client.executable");
    private static final ConfigOption<String> TARGET = option("execution.target");
    private static final String CLIENT_VARIABLE = "PYFLINK_CLIENT_EXECUTABLE";
    private static final String DEFAULT = "python3";

    public final WorkerCommand planning;
    private final String task;
    private final ArrayList<Archive> archives;

    private PythonCommands(WorkerCommand planning, String task, ArrayList<Archive> archives) {
        this.planning = planning;
        this.task = task;
        this.archives = archives;
    }

    public static PythonCommands of(ReadableConfig session, Map<String, String> environment) {
        Optional<String> executable = session.getOptional(EXECUTABLE);
        String planning =
                session.getOptional(CLIENT_EXECUTABLE)
                        .or(() -> Optional.ofNullable(environment.get(CLIENT_VARIABLE)))
                        // PyFlink sets it to the running Python in a local session.
                        .or(() -> isLocal(session) ? executable : Optional.empty())
                        .orElse(DEFAULT);
        String task = executable.orElse(DEFAULT);
        return new PythonCommands(
                WorkerCommand.bridge(planning, CLIENT_EXECUTABLE.key()),
                task,
                mayBeInArchive(task) ? Archive.ship(session) : new ArrayList<>());
    }

    /**
     * The command in the task, to be closed. Where the session has archives a relative path is one
     * in them.
     */
    public WorkerCommand inTask(Function<String, File> cachedFiles) {
        return archives.isEmpty()
                ? WorkerCommand.bridge(task, EXECUTABLE.key())
                : WorkerCommand.bridge(
                        UnpackedArchives.of(archives, cachedFiles), task, EXECUTABLE.key());
    }

    private static boolean mayBeInArchive(String executable) {
        return executable.contains(File.separator) && !new File(executable).isAbsolute();
    }

    private static boolean isLocal(ReadableConfig session) {
        String target = session.getOptional(TARGET).orElse("");
        return target.equals("local") || target.equals("minicluster");
    }

    private static ConfigOption<String> option(String key) {
        return ConfigOptions.key(key).stringType().noDefaultValue();
    }
}
