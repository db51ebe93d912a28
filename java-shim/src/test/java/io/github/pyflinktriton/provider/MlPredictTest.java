package io.github.pyflinktriton.provider;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.worker.Await;
import io.github.pyflinktriton.worker.FakeCommand;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.api.config.ExecutionConfigOptions;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** ML_PREDICT in a real local Flink; only Python is replaced. */
@Timeout(60)
class MlPredictTest {

    private static final String MODEL =
            "CREATE MODEL echo INPUT (i INT, s STRING) OUTPUT (o TINYINT, t STRING) WITH (%s)";
    private static final String ROWS =
            "(SELECT CAST(x AS TINYINT) AS i, s FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c'))"
                    + " AS v (x, s))";
    private static final String PREDICT =
            "SELECT i, o, t FROM ML_PREDICT(TABLE numbers, MODEL echo, DESCRIPTOR(i, s)%s)";

    @TempDir private Path directory;
    private Path planned;
    private Path opened;

    @BeforeEach
    void files() {
        planned = directory.resolve("planned");
        opened = directory.resolve("opened");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rowsArePredicted(boolean streaming) throws Exception {
        TableEnvironment tables = tables(streaming, "does=echo");
        tables.executeSql(String.format(MODEL, "'provider' = 'triton', 'endpoint' = 'e'"));

        if (!streaming && EnvironmentInformation.getVersion().startsWith("2.2.")) {
            Throwable refusal =
                    root(assertThrows(Exception.class, () -> query(tables, predict(""))));
            assertTrue(refusal.getMessage().endsWith("use Flink 2.3."), refusal::toString);
            return;
        }
        List<Row> rows = query(tables, predict(", MAP['a', 'b', 'async', 'true']"));

        List<String> expected = List.of("+I[1, 1, a]", "+I[2, 2, b]", "+I[3, 3, c]");
        assertEquals(
                expected, rows.stream().map(Row::toString).sorted().collect(Collectors.toList()));
        JsonNode specialized = last(planned);
        assertEquals("[\"TINYINT NOT NULL\",\"CHAR(1) NOT NULL\"]", specialized.get("arguments").toString());
        assertEquals("{\"a\":\"b\"}", specialized.get("runtime_options").toString());
        assertEquals("{\"endpoint\":\"e\"}", specialized.get("options").toString());
        assertEquals(
                "[{\"name\":\"i\",\"type\":\"INT\"},{\"name\":\"s\",\"type\":\"STRING\"}]",
                specialized.get("input").toString());
        JsonNode open = last(opened, "open");
        assertEquals(specialized.get("arguments"), open.get("arguments"));
        assertEquals(1, open.get("task").get("parallelism").asInt());
        Await.until(() -> ProcessHandle.current().children().noneMatch(this::isTask));
    }

    @Test
    void whatPythonRefusesIsNotPlanned() throws Exception {
        TableEnvironment tables = tables(true, "does=echo");
        tables.executeSql(String.format(MODEL, "'provider' = 'pyflink-triton', 'wrong' = 'w'"));

        Exception e = assertThrows(Exception.class, () -> query(tables, predict("")));

        ValidationException cause = (ValidationException) root(e);
        assertEquals("The option 'wrong' is wrong.", cause.getMessage());
        assertFalse(Files.exists(opened), "no task was started");
    }

    @Test
    void theDefaultsOfFlinkAreRaisedOnce() throws Exception {
        TableEnvironment tables = tables(true, "does=echo");
        tables.executeSql(String.format(MODEL, "'provider' = 'triton'"));
        tables.explainSql(predict(""));
        assertEquals(
                1000,
                tables.getConfig()
                        .get(
                                ExecutionConfigOptions
                                        .TABLE_EXEC_ASYNC_ML_PREDICT_MAX_CONCURRENT_OPERATIONS));
        assertEquals(
                Duration.ZERO,
                tables.getConfig().get(ExecutionConfigOptions.TABLE_EXEC_ASYNC_ML_PREDICT_TIMEOUT));
    }

    @Test
    void aWorkerThatLeftIsReplaced() throws Exception {
        Path dying = Files.createFile(directory.resolve("dying"));
        TableEnvironment tables = tables(true, "does=echo", "dies once=" + dying);
        tables.executeSql(String.format(MODEL, "'provider' = 'triton'"));
        tables.explainSql(predict(""));
        assertFalse(Files.exists(dying), "the first worker did die");
    }

    @Test
    void aFailedRowFailsTheJobWithItsMessageAndNoValues() throws Exception {
        TableEnvironment tables = tables(true, "does=error");
        tables.executeSql(String.format(MODEL, "'provider' = 'triton'"));
        Exception e = assertThrows(Exception.class, () -> query(tables, predict("")));
        String text = ExceptionUtils.stringifyException(e);
        assertTrue(text.contains("The signature has changed."), text);
        assertFalse(text.contains("+I("), text);
    }

    @Test
    void aMissingPythonIsNamedWhenPlanned() {
        TableEnvironment tables = tables(true, Path.of("/no/such/python"), Path.of("python3"));
        tables.executeSql(String.format(MODEL, "'provider' = 'triton'"));
        Exception e = assertThrows(Exception.class, () -> query(tables, predict("")));
        String text = ExceptionUtils.stringifyException(e);
        assertTrue(text.contains("Set 'python.client.executable' to a Python"), text);
    }

    private static String predict(String map) {
        return String.format(PREDICT, map);
    }

    private boolean isTask(ProcessHandle process) {
        return process.info().commandLine().orElse("").contains("record=" + opened);
    }

    private TableEnvironment tables(boolean streaming, String... settings) throws IOException {
        List<String> planning = new ArrayList<>(List.of(settings));
        planning.add("record=" + planned);
        List<String> task = new ArrayList<>(List.of(settings));
        task.add("record=" + opened);
        return tables(
                streaming,
                FakeCommand.script(directory, "planning", planning.toArray(new String[0])),
                FakeCommand.script(directory, "task", task.toArray(new String[0])));
    }

    private static TableEnvironment tables(boolean streaming, Path planning, Path task) {
        Configuration configuration = new Configuration();
        configuration.setString("python.client.executable", planning.toString());
        configuration.setString("python.executable", task.toString());
        configuration.setString("parallelism.default", "1");
        EnvironmentSettings.Builder settings =
                EnvironmentSettings.newInstance().withConfiguration(configuration);
        TableEnvironment tables =
                TableEnvironment.create(
                        (streaming ? settings.inStreamingMode() : settings.inBatchMode()).build());
        tables.executeSql("CREATE TEMPORARY VIEW numbers AS SELECT * FROM " + ROWS);
        return tables;
    }

    private static List<Row> query(TableEnvironment tables, String sql) throws Exception {
        List<Row> rows = new ArrayList<>();
        CloseableIterator<Row> results = tables.executeSql(sql).collect();
        try {
            results.forEachRemaining(rows::add);
        } finally {
            results.close();
        }
        return rows;
    }

    private static JsonNode last(Path record) throws IOException {
        return last(record, "plan");
    }

    private static JsonNode last(Path record, String kind) throws IOException {
        JsonNode last = null;
        for (String line : Files.readAllLines(record)) {
            JsonNode frame = Json.MAPPER.readTree(line);
            if (frame.get("kind").asText().equals(kind)) {
                last = frame;
            }
        }
        return last;
    }

    private static Throwable root(Throwable e) {
        return e.getCause() == null ? e : root(e.getCause());
    }
}
