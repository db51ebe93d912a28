package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.flink.configuration.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.File;
import java.util.List;
import java.util.Map;

class PythonCommandsTest {

    @ParameterizedTest
    @CsvSource(
            nullValues = "-",
            value = {
                "-, -, -, -, python3, python3",
                "-, c, -, -, c, python3",
                "e, -, -, -, python3, e",
                "e, c, v, local, c, e",
                "e, -, v, local, v, e",
                "e, -, -, local, e, e",
                "e, -, -, minicluster, e, e",
                "e, -, -, remote, python3, e",
                "-, -, -, local, python3, python3",
            })
    void pythonIsChosenAsPyFlinkDoes(
            String executable,
            String client,
            String variable,
            String target,
            String planning,
            String task) {
        Configuration session = new Configuration();
        set(session, "python.executable", executable);
        set(session, "python.client.executable", client);
        set(session, "execution.target", target);
        Map<String, String> environment =
                variable == null ? Map.of() : Map.of("PYFLINK_CLIENT_EXECUTABLE", variable);

        PythonCommands python = PythonCommands.of(session, environment);

        assertEquals(planning + " -m pyflink_triton.bridge", python.planning.toString());
        assertEquals(task + " -m pyflink_triton.bridge", python.inTask(File::new).toString());
    }

    @Test
    void aWorkerSeesLittleOfTheEnvironment() {
        Map<String, String> environment =
                Map.ofEntries(
                        Map.entry("PATH", "/bin"),
                        Map.entry("LC_ALL", "C.UTF-8"),
                        Map.entry("TZ", "UTC"),
                        Map.entry("PYTHONPATH", "/p"),
                        Map.entry("PYFLINK_TRITON_SECRET_T", "s"),
                        Map.entry("HOME", "/root"),
                        Map.entry("LD_LIBRARY_PATH", "/l"),
                        Map.entry("LD_PRELOAD", "/l/other.so"),
                        Map.entry("SSL_CERT_FILE", "/c"),
                        Map.entry("SSL_CERT_DIR", "/d"),
                        Map.entry("REQUESTS_CA_BUNDLE", "/r"),
                        Map.entry("ASKED_FOR", "a"),
                        Map.entry("SOME_TOKEN", "t"));
        String all =
                "LC_ALL, LD_LIBRARY_PATH, PATH, PYFLINK_TRITON_SECRET_T, PYTHONPATH,"
                        + " SSL_CERT_DIR, SSL_CERT_FILE, TZ]";
        assertEquals(
                "[" + all, WorkerCommand.passed(environment, List.of()).keySet().toString());
        assertEquals(
                "[ASKED_FOR, " + all,
                WorkerCommand.passed(environment, List.of("ASKED_FOR")).keySet().toString());
    }

    @Test
    void aRelativeProgramIsOneOfTheSessions() {
        WorkerCommand command = WorkerCommand.bridge("venv/bin/python", "python.executable");
        ProcessBuilder builder = command.processBuilder();
        assertEquals(
                System.getProperty("user.dir") + "/venv/bin/python", builder.command().get(0));
        builder = WorkerCommand.bridge("python3", "python.executable").processBuilder();
        assertEquals("python3", builder.command().get(0));
    }

    private static void set(Configuration session, String key, String value) {
        if (value != null) {
            session.setString(key, value);
        }
    }
}
