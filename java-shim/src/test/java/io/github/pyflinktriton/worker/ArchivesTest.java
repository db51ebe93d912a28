package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.WorkerException;

import org.apache.flink.configuration.ConfigurationUtils;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.table.api.TableConfig;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

class ArchivesTest {

    private final TableConfig session = TableConfig.getDefault();

    @TempDir Path directory;
    private Path blobs;

    @BeforeEach
    void makeBlobs() throws IOException {
        blobs = Files.createDirectory(directory.resolve("blobs"));
    }

    @Test
    void archivesAreShippedByTheNamesThatPyFlinkGivesThem() {
        session.set(PipelineOptions.CACHED_FILES, List.of("name:model,path:/m.bin"));
        session.set("python.archives", "/a/venv.tar.gz#venv,/a/data.zip");
        Archive.ship(session);
        Archive.ship(session);
        List<String> files = session.get(PipelineOptions.CACHED_FILES);
        assertEquals(3, files.size(), files.toString());
        assertEquals("name:model,path:/m.bin", files.get(0));
        // The hashes of "/a/venv.tar.gz#venv.tar.gz#venv" and "/a/data.zip#data.zip".
        assertTrue(files.get(1).contains("python_archive_8a9dea7bab60"), files.get(1));
        assertTrue(files.get(2).contains("python_archive_26f7edcf26ca"), files.get(2));
    }

    @ParameterizedTest
    @CsvSource({
        "venv/bin/python, true",
        "./venv/bin/python, true",
        "python3, false",
        "/usr/bin/python3, false",
    })
    void archivesThatCannotHoldThePythonAreNotShipped(String executable, boolean shipped) {
        session.set("python.archives", "/a/venv.zip#venv");
        session.set("python.executable", executable);
        PythonCommands.of(session, Map.of());
        assertEquals(shipped, session.getOptional(PipelineOptions.CACHED_FILES).isPresent());
    }

    @ParameterizedTest
    @CsvSource({"-czf, venv.tar.gz", "-czf, venv.tgz", "-cf, venv.tar"})
    void anArchiveIsUnpackedOnceAndGoneWithItsLastUser(String how, String archive)
            throws Exception {
        Path bin = Files.createDirectories(directory.resolve("venv/bin"));
        Files.writeString(bin.resolve("python3"), "#!/bin/sh\n");
        assertTrue(bin.resolve("python3").toFile().setExecutable(true));
        Files.createSymbolicLink(bin.resolve("python"), Path.of("python3"));
        run("tar", how, archive, "-C", "venv", ".");
        PythonCommands python = python(archive + "#venv");

        WorkerCommand first = python.inTask(this::cachedFile);
        WorkerCommand second = python.inTask(this::cachedFile);
        assertEquals(first, second);
        Path program = Path.of(first.processBuilder().command().get(0));
        assertTrue(program.endsWith("venv/bin/python"), program.toString());
        assertTrue(Files.isSymbolicLink(program));
        assertTrue(Files.isExecutable(program));
        first.close();
        assertTrue(Files.isExecutable(program));
        second.close();
        assertEquals(List.of(archive), namesIn(blobs));
    }

    @ParameterizedTest
    @ValueSource(strings = {"venv.tar.gz#..", "venv.tar.gz#../venv", "venv.tar.gz#/venv"})
    void nothingIsUnpackedElsewhere(String entry) throws Exception {
        Files.createFile(directory.resolve("file"));
        run("tar", "-czf", "venv.tar.gz", "file");
        PythonCommands python = python(entry);
        WorkerException refused =
                assertThrows(WorkerException.class, () -> python.inTask(this::cachedFile));
        assertTrue(refused.getMessage().contains(entry), refused.getMessage());
        assertEquals(List.of("venv.tar.gz"), namesIn(blobs));
        assertFalse(Files.exists(directory.resolve("venv")));
    }

    @Test
    void whatIsNoArchiveIsNamed() throws Exception {
        Files.writeString(directory.resolve("venv.tar.gz"), "nonsense");
        PythonCommands python = python("venv.tar.gz#venv");
        WorkerException refused =
                assertThrows(WorkerException.class, () -> python.inTask(this::cachedFile));
        assertTrue(refused.getMessage().contains("'venv.tar.gz'"), refused.getMessage());
        assertEquals(List.of("venv.tar.gz"), namesIn(blobs));
    }

    private PythonCommands python(String archives) {
        session.set("python.archives", directory + "/" + archives);
        session.set("python.executable", "venv/bin/python");
        return PythonCommands.of(session, Map.of());
    }

    /** Flink's cache: the one file that was shipped, in a directory of its own. */
    private File cachedFile(String name) {
        Map<String, String> entry =
                ConfigurationUtils.parseStringToMap(
                        session.get(PipelineOptions.CACHED_FILES).get(0));
        assertEquals(entry.get("name"), name);
        Path shipped = Path.of(entry.get("path"));
        Path cached = blobs.resolve(shipped.getFileName());
        try {
            return Files.exists(cached) ? cached.toFile() : Files.copy(shipped, cached).toFile();
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private void run(String... command) throws Exception {
        Process process =
                new ProcessBuilder(command).directory(directory.toFile()).inheritIO().start();
        assertEquals(0, process.waitFor());
    }

    private static List<String> namesIn(Path directory) throws IOException {
        try (Stream<Path> paths = Files.list(directory)) {
            return paths.map(path -> path.getFileName().toString()).collect(Collectors.toList());
        }
    }
}
