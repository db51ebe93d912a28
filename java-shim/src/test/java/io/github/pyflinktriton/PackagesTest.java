package io.github.pyflinktriton;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The packages, and which of them each may use. */
class PackagesTest {

    private static final Path SOURCES = Path.of("src", "main", "java", "io", "github", "pyflinktriton");

    /** The root is "", and every package may use it; {@code planner} runs where no other is seen. */
    private static final Map<String, Set<String>> ALLOWED =
            Map.of(
                    "", Set.of(),
                    "planner", Set.of(),
                    "rows", Set.of(""),
                    "model", Set.of(""),
                    "compat", Set.of("", "model"),
                    "worker", Set.of("", "model", "rows", "compat"),
                    "function", Set.of("", "model", "compat", "worker"),
                    "provider", Set.of("", "model", "compat", "worker"),
                    "catalog", Set.of("", "model", "compat", "worker", "function"));

    /** A class of ours by its full name, in an import or anywhere else. */
    private static final Pattern USE =
            Pattern.compile("\\bio\\.github\\.pyflinktriton((?:\\.[a-z]\\w*)*)\\.[A-Z*]");

    @Test
    void eachPackageUsesOnlyWhatItMay() {
        Map<String, Set<String>> used = used();
        assertEquals(new TreeSet<>(ALLOWED.keySet()), used.keySet(), "an unnamed package");
        used.forEach(
                (name, others) ->
                        assertTrue(ALLOWED.get(name).containsAll(others), name + " uses " + others));
    }

    @Test
    void whatIsAllowedHasNoCycle() {
        Set<String> placed = new TreeSet<>();
        List<String> open = new ArrayList<>(ALLOWED.keySet());
        while (open.removeIf(name -> placed.containsAll(ALLOWED.get(name)) && placed.add(name))) {
            continue;
        }
        assertEquals(List.of(), open);
    }

    @Test
    void eachPackageSaysWhatLivesThere() {
        for (String name : ALLOWED.keySet()) {
            assertTrue(Files.exists(SOURCES.resolve(name).resolve("package-info.java")), name);
        }
    }

    private static Map<String, Set<String>> used() {
        Map<String, Set<String>> used = new TreeMap<>();
        for (Path file : files()) {
            String name = SOURCES.relativize(file.getParent()).toString();
            Set<String> others = used.computeIfAbsent(name, unknown -> new TreeSet<>());
            Matcher uses = USE.matcher(text(file));
            while (uses.find()) {
                others.add(uses.group(1).isEmpty() ? "" : uses.group(1).substring(1));
            }
            others.remove(name);
        }
        return used;
    }

    private static List<Path> files() {
        try (Stream<Path> files = Files.walk(SOURCES)) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .collect(Collectors.toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
