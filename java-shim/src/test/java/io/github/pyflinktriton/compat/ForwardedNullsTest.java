package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** NULLs beside async functions, whatever was planned first; each order in a JVM of its own. */
@Timeout(120)
class ForwardedNullsTest {

    private static final String KEPT = "[+I[2, null, null], +I[4, 5, text]]";
    private static final String LOST = "[+I[2, -1, ], +I[4, 5, text]]";

    @TempDir private Path directory;

    @Test
    void aPlannerInUseIsRepaired() throws Exception {
        // The JVM's directory for temporary files may be anywhere.
        String spaced = "-Djava.io.tmpdir=" + Files.createDirectory(directory.resolve("a b"));
        List<String> said =
                run(
                        List.of(spaced),
                        "scalar",
                        "lateral",
                        "lookup",
                        "repair while planning",
                        "scalar",
                        "repair");
        assertEquals(
                List.of(
                        "scalar: " + LOST,
                        "lateral: " + KEPT,
                        "lookup: " + KEPT,
                        "objection: none",
                        "planned to the end",
                        "scalar: " + KEPT,
                        "objection: none"),
                said);
    }

    @Test
    void aFileThatCannotBeWrittenIsTriedAgain() throws Exception {
        Path absent = directory.resolve("absent");
        List<String> said =
                run(
                        List.of("-Djava.io.tmpdir=" + absent),
                        "scalar",
                        "repair",
                        "make a directory for temporary files",
                        "repair",
                        "scalar");
        String objection = said.get(1);
        assertTrue(
                objection.startsWith("objection: In streaming a model cannot be a function yet"),
                objection);
        assertTrue(objection.contains("NoSuchFileException: " + absent), objection);
        assertEquals(
                List.of("scalar: " + LOST, objection, "objection: none", "scalar: " + KEPT), said);
    }

    @Test
    void whatCannotBeRepairedIsSaid() throws Exception {
        List<String> said = run(withoutAgents(), "scalar", "repair", "repair");
        assertEquals("scalar: " + LOST, said.get(0));
        assertTrue(said.get(1).startsWith("objection: In streaming a model cannot"), said::toString);
        assertEquals(said.get(1), said.get(2));
    }

    /** The options of a JVM that has every module but that of agents. */
    private static List<String> withoutAgents() {
        String agents = "java.instrument";
        String others =
                ModuleFinder.ofSystem().findAll().stream()
                        .map(ModuleReference::descriptor)
                        .filter(module -> !module.name().equals(agents))
                        .filter(
                                module ->
                                        module.requires().stream()
                                                .noneMatch(needed -> needed.name().equals(agents)))
                        .map(ModuleDescriptor::name)
                        .filter(name -> !name.contains("incubator"))
                        .collect(Collectors.joining(","));
        return List.of("--limit-modules", others);
    }

    private List<String> run(List<String> options, String... steps)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-XX:TieredStopAtLevel=1",
                        "--add-opens=java.base/java.nio=ALL-UNNAMED",
                        "--add-opens=java.base/java.util=ALL-UNNAMED"));
        command.addAll(options);
        command.addAll(
                List.of("-cp", System.getProperty("java.class.path"), AsyncFirst.class.getName()));
        command.addAll(Arrays.asList(steps));
        Path out = directory.resolve("out");
        Path log = directory.resolve("log");
        Process process =
                new ProcessBuilder(command)
                        .redirectOutput(out.toFile())
                        .redirectError(log.toFile())
                        .start();
        assertEquals(0, process.waitFor(), Files.readString(log));
        return Files.readAllLines(out);
    }
}
