package io.github.pyflinktriton;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;

import java.io.Serializable;
import java.util.Map;
import java.util.Optional;

/** Chooses the Python for planning and for tasks, as PyFlink would; never from a model option. */
final class Python implements Serializable {

    private static final long serialVersionUID = 1L;

    // By key: flink-python's jar, which declares them, need not be there.
    private static final ConfigOption<String> EXECUTABLE = option("python.executable");
    private static final ConfigOption<String> CLIENT_EXECUTABLE =
            option("python.client.executable");
    private static final ConfigOption<String> TARGET = option("execution.target");
    private static final String CLIENT_VARIABLE = "PYFLINK_CLIENT_EXECUTABLE";
    private static final String DEFAULT = "python3";

    final WorkerCommand planning;
    final WorkerCommand task;

    private Python(WorkerCommand planning, WorkerCommand task) {
        this.planning = planning;
        this.task = task;
    }

    static Python of(ReadableConfig session, Map<String, String> environment) {
        Optional<String> executable = session.getOptional(EXECUTABLE);
        String planning =
                session.getOptional(CLIENT_EXECUTABLE)
                        .or(() -> Optional.ofNullable(environment.get(CLIENT_VARIABLE)))
                        // PyFlink sets it to the running Python in a local session.
                        .or(() -> isLocal(session) ? executable : Optional.empty())
                        .orElse(DEFAULT);
        return new Python(
                WorkerCommand.bridge(planning, CLIENT_EXECUTABLE.key()),
                WorkerCommand.bridge(executable.orElse(DEFAULT), EXECUTABLE.key()));
    }

    /** The command in the task; archives shipped with the job will be resolved here. */
    WorkerCommand inTask() {
        return task;
    }

    private static boolean isLocal(ReadableConfig session) {
        String target = session.getOptional(TARGET).orElse("");
        return target.equals("local") || target.equals("minicluster");
    }

    private static ConfigOption<String> option(String key) {
        return ConfigOptions.key(key).stringType().noDefaultValue();
    }
}
