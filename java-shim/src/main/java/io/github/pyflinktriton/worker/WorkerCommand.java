package io.github.pyflinktriton.worker;

import java.io.File;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** How a worker is started: the program, its environment, and the option that chose it. */
public final class WorkerCommand implements Serializable, AutoCloseable {

    private static final long serialVersionUID = 1L;

    /**
     * The variables that every worker gets: for programs, libraries, the locale and trusted
     * certificates.
     */
    private static final Set<String> PASSED =
            Set.of(
                    "PATH",
                    "LD_LIBRARY_PATH",
                    "LANG",
                    "LANGUAGE",
                    "TZ",
                    "SSL_CERT_FILE",
                    "SSL_CERT_DIR");

    final ArrayList<String> arguments;
    final String option;
    private final transient UnpackedArchives archives;

    /** The variables that this worker gets in addition. */
    final ArrayList<String> variables;

    /** Takes any program; a message names the option when it cannot be started. */
    WorkerCommand(List<String> arguments, String option) {
        this(arguments, option, null, List.of());
    }

    private WorkerCommand(
            List<String> arguments,
            String option,
            UnpackedArchives archives,
            List<String> variables) {
        this.arguments = new ArrayList<>(arguments);
        this.option = option;
        this.archives = archives;
        this.variables = new ArrayList<>(variables);
    }

    /** The same with variables of the environment that Python asked for. */
    WorkerCommand passing(List<String> names) {
        return new WorkerCommand(arguments, option, archives, names);
    }

    /** The bridge in a Python that an option named. */
    static WorkerCommand bridge(String python, String option) {
        return bridge(python, option, null);
    }

    /** The bridge in a Python that lies in archives; closing the command gives them back. */
    static WorkerCommand bridge(UnpackedArchives archives, String python, String option) {
        return bridge(archives.resolve(python), option, archives);
    }

    private static WorkerCommand bridge(String python, String option, UnpackedArchives archives) {
        return new WorkerCommand(
                List.of(python, "-m", "pyflink_triton.bridge"), option, archives, List.of());
    }

    ProcessBuilder processBuilder() {
        List<String> started = new ArrayList<>(arguments);
        // A relative path starts at the directory of this process, as in PyFlink, not at that of
        // the worker.
        if (started.get(0).contains(File.separator)) {
            started.set(0, new File(started.get(0)).getAbsolutePath());
        }
        ProcessBuilder builder = new ProcessBuilder(started);
        // -m puts the working directory on sys.path: it must be one where no user can write.
        builder.directory(new File(File.separator));
        Map<String, String> environment = builder.environment();
        Map<String, String> passed = passed(environment, variables);
        environment.clear();
        environment.putAll(passed);
        return builder;
    }

    /** Selects the variables of a worker, because the environment may hold secrets of others. */
    static Map<String, String> passed(
            Map<String, String> environment, List<String> variables) {
        Map<String, String> passed = new TreeMap<>(environment);
        passed.keySet()
                .removeIf(
                        name ->
                                !variables.contains(name)
                                        && !PASSED.contains(name)
                                        && !name.startsWith("LC_")
                                        && !name.startsWith("PYTHON")
                                        && !name.startsWith("PYFLINK_TRITON_"));
        return passed;
    }

    /** To be called once the worker has ended. */
    @Override
    public void close() {
        if (archives != null) {
            archives.close();
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof WorkerCommand
                && arguments.equals(((WorkerCommand) other).arguments)
                && option.equals(((WorkerCommand) other).option)
                && variables.equals(((WorkerCommand) other).variables);
    }

    @Override
    public int hashCode() {
        return arguments.hashCode();
    }

    @Override
    public String toString() {
        return String.join(" ", arguments);
    }
}
