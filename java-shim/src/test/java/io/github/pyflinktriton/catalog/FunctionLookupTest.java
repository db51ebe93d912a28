package io.github.pyflinktriton.catalog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.pyflinktriton.compat.FunctionLookup;
import io.github.pyflinktriton.worker.FakeCommand;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.internal.TableEnvironmentInternal;
import org.apache.flink.table.planner.loader.PlannerModule;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Every name that Flink knows, in a catalog whose server is away, as in Flink's own catalog. */
@Timeout(120)
class FunctionLookupTest {

    private static final Pattern WORD = Pattern.compile("\\w+");
    private static final List<String> FORMS =
            List.of("`%s`(x)", "%s(x, 1)", "%s");

    @TempDir private Path directory;
    private Path asked;

    @BeforeEach
    void file() {
        asked = directory.resolve("asked");
    }

    @Test
    void whatFlinkKnowsDoesNotDependOnTheServer() throws Exception {
        TableEnvironment tables = tables();
        Set<String> names = new TreeSet<>(Set.of(tables.listFunctions()));
        names.addAll(operators(true));
        names.addAll(operators(false));
        names.addAll(keywords());
        names.removeIf(name -> !WORD.matcher(name).matches());
        assertTrue(names.size() > 1000, names.toString());
        List<String> others = new ArrayList<>();
        for (String name : names) {
            for (String form : FORMS) {
                String query = "SELECT " + String.format(form, name) + " FROM triton.`default`.v";
                String expected = outcome(tables, "default_catalog", query);
                if (expected.startsWith("No match found for function")) {
                    others.add(query);
                } else {
                    assertEquals(expected, outcome(tables, "triton", query), query);
                }
            }
        }
        assertEquals(0, listings());

        for (String query : others) {
            String outcome = outcome(tables, "triton", query);
            assertTrue(
                    outcome.startsWith("No function '") || outcome.startsWith("No match found"),
                    query + ": " + outcome);
        }
        assertTrue(listings() > 0);
    }

    /** So that a version of Flink with other callers asks the server once more, and misses none. */
    @Test
    void aCallerThatIsNotKnownCountsAsACall() {
        assertTrue(FunctionLookup.current().mayMeanModel("m"));
    }

    private TableEnvironment tables() throws IOException {
        Path worker =
                FakeCommand.script(directory, "planning", "does=away", "record=" + asked);
        Configuration configuration = new Configuration();
        configuration.setString("python.client.executable", worker.toString());
        TableEnvironment tables =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance()
                                .withConfiguration(configuration)
                                .build());
        tables.executeSql(
                "CREATE CATALOG triton WITH ('type' = 'triton', 'endpoint' = 'http://nowhere:1')");
        tables.executeSql("CREATE TEMPORARY VIEW triton.`default`.v AS SELECT 'a' AS x");
        return tables;
    }

    /** Nothing, or the last cause's message. */
    private static String outcome(TableEnvironment tables, String catalog, String query) {
        tables.useCatalog(catalog);
        try {
            ((TableEnvironmentInternal) tables).getParser().parse(query);
            return "";
        } catch (Exception | AssertionError e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return String.valueOf(cause.getMessage());
        }
    }

    private long listings() throws IOException {
        return Files.readAllLines(asked).stream()
                .filter(frame -> frame.contains("\"request\":\"models\""))
                .count();
    }

    private static ClassLoader planner() {
        return PlannerModule.getInstance().getSubmoduleClassLoader();
    }

    private static Set<String> operators(boolean streaming) throws Exception {
        Class<?> table =
                planner()
                        .loadClass(
                                "org.apache.flink.table.planner.functions.sql.FlinkSqlOperatorTable");
        Object instance = table.getMethod("instance", boolean.class).invoke(null, !streaming);
        List<String> names = new ArrayList<>();
        for (Object operator :
                (Collection<?>) table.getMethod("getOperatorList").invoke(instance)) {
            names.add((String) operator.getClass().getMethod("getName").invoke(operator));
        }
        return new TreeSet<>(names);
    }

    private static Set<String> keywords() throws Exception {
        Object factory =
                planner()
                        .loadClass("org.apache.flink.sql.parser.impl.FlinkSqlParserImpl")
                        .getField("FACTORY")
                        .get(null);
        Class<?> factories =
                planner().loadClass("org.apache.calcite.sql.parser.SqlParserImplFactory");
        Object parser =
                factories
                        .getMethod("getParser", Reader.class)
                        .invoke(factory, new StringReader("SELECT 1"));
        Class<?> parsers =
                planner().loadClass("org.apache.calcite.sql.parser.SqlAbstractParserImpl");
        Object metadata = parsers.getMethod("getMetadata").invoke(parser);
        Class<?> kind =
                planner()
                        .loadClass(
                                "org.apache.calcite.sql.parser.SqlAbstractParserImpl$Metadata");
        List<?> tokens = (List<?>) kind.getMethod("getTokens").invoke(metadata);
        return tokens.stream()
                .map(String::valueOf)
                .filter(token -> WORD.matcher(token).matches())
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
