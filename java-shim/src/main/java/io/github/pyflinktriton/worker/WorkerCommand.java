package io.github.pyflinktriton.worker;

import java.io.File;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Says how a worker is started: which program, which environment, which option chose it. */
public final class WorkerCommand implements Serializable, AutoCloseable {

    private static final long serialVersionUID = 1L;

    /** What every worker gets: where programs and libraries are, the locale, and who is trusted. */
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

    /** What it gets of its parent's environment beside what every worker gets. */
    final ArrayList<String> variables;

    /** Takes any program; the option is the one to name when it cannot be started. */
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
        // A relative path counts from here, as PyFlink has it, not from the worker's directory.
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

    /** What a worker needs of its parent's environment, which may hold others' secrets. */
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
