package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.compat.FlinkFunctions;

import org.apache.flink.table.catalog.ObjectPath;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Warns of models whose names are those of functions of Flink, or differ by case only. */
final class NameClashes implements Consumer<List<String>> {

    private static final int SHOWN = 10;

    private final Function<List<String>, String> remedy;
    private Set<String> warned = Set.of();

    private NameClashes(Function<List<String>, String> remedy) {
        this.remedy = remedy;
    }

    /** Makes the warnings for the models that a catalog serves. */
    static NameClashes inCatalog(String catalog, String database) {
        return new NameClashes(
                clashing -> byFullName(catalog, new ObjectPath(database, clashing.get(0))));
    }

    static NameClashes inModule() {
        return new NameClashes(NameClashes::inCatalogOrFirst);
    }

    private static String byFullName(String catalog, ObjectPath path) {
        return String.format(
                "Call such a model by its full name, as %s.%s.%s(...).",
                quoted(catalog), quoted(path.getDatabaseName()), quoted(path.getObjectName()));
    }

    private static String inCatalogOrFirst(List<String> clashing) {
        List<String> ofCore =
                clashing.stream().filter(FlinkFunctions::isOfCore).collect(Collectors.toList());
        String remedy = "A catalog of the type 'triton' serves such a model by its full name.";
        return ofCore.isEmpty()
                ? remedy
                : remedy
                        + String.format(
                                " USE MODULES with this module before 'core' makes %s the model.",
                                shown(ofCore));
    }

    /** Takes the names each time that the server is listed; a warning is given once. */
    @Override
    public synchronized void accept(List<String> names) {
        List<String> warnings = new ArrayList<>();
        List<String> clashing =
                names.stream().filter(FlinkFunctions::has).collect(Collectors.toList());
        if (!clashing.isEmpty()) {
            warnings.add(clash(clashing, remedy.apply(clashing)));
        }
        Map<String, List<String>> byLetters = new TreeMap<>();
        for (String name : names) {
            byLetters
                    .computeIfAbsent(name.toLowerCase(Locale.ROOT), key -> new ArrayList<>())
                    .add(name);
        }
        List<List<String>> groups =
                byLetters.values().stream()
                        .filter(alike -> alike.size() > 1)
                        .collect(Collectors.toList());
        if (!groups.isEmpty()) {
            warnings.add(alike(groups.get(0)) + others(groups.subList(1, groups.size())));
        }
        warnings.stream().filter(warning -> !warned.contains(warning)).forEach(Log::warn);
        warned = Set.copyOf(warnings);
    }

    /**
     * Warns of a model that a statement creates. The first of those alike is called by all other
     * spellings.
     */
    static void created(String catalog, ObjectPath path, Collection<String> alike) {
        if (FlinkFunctions.has(path.getObjectName())) {
            Log.warn(clash(List.of(path.getObjectName()), byFullName(catalog, path)));
        }
        if (alike.size() > 1) {
            Log.warn(alike(List.copyOf(alike)));
        }
    }

    private static String clash(List<String> clashing, String remedy) {
        return String.format(
                "%s named like functions of Flink, and a call by that name means Flink's function. %s",
                clashing.size() == 1
                        ? "Model " + shown(clashing) + " is"
                        : "Models " + shown(clashing) + " are",
                remedy);
    }

    private static String alike(List<String> alike) {
        return String.format(
                "Models %s differ by case only. A call in the letters of one means that one, and in "
                        + "any other letters '%s'.",
                shown(alike), alike.get(0));
    }

    private static String others(List<List<String>> groups) {
        return groups.isEmpty()
                ? ""
                : String.format(
                        " The same holds for %s.",
                        shown(
                                groups.stream()
                                        .map(alike -> alike.get(0))
                                        .collect(Collectors.toList())));
    }

    private static String shown(List<String> names) {
        String some =
                names.stream()
                        .limit(SHOWN)
                        .map(name -> "'" + name + "'")
                        .collect(Collectors.joining(", "));
        return names.size() <= SHOWN
                ? some
                : String.format("%s and %d more", some, names.size() - SHOWN);
    }

    private static String quoted(String name) {
        return "`" + name.replace("`", "``") + "`";
    }
}
