package io.github.pyflinktriton.compat;

import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.api.ExplainDetail;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.functions.AsyncScalarFunction;
import org.apache.flink.table.functions.AsyncTableFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;

/**
 * A program for a JVM of its own: async functions that are not this package's, and the repair of
 * the planner, in a given order. Prints the rows of each query and the objections to each repair.
 */
public final class AsyncFirst {

    private static final Map<String, String> QUERIES =
            Map.of(
                    "scalar",
                    "SELECT twice(n), beside, words FROM numbers",
                    "lateral",
                    "SELECT m, beside, words FROM numbers, LATERAL TABLE(twices(n)) AS t (m)",
                    "lookup",
                    "SELECT m, beside, words FROM numbers JOIN looked_up"
                            + " FOR SYSTEM_TIME AS OF numbers.p ON numbers.n = looked_up.n");

    private static final Path DIRECTORY = Path.of(System.getProperty("java.io.tmpdir"));

    private static final Map<String, Step> OTHERS =
            Map.of(
                    "repair", AsyncFirst::repair,
                    "repair while planning", AsyncFirst::repairWhilePlanning,
                    "make a directory for temporary files", AsyncFirst::makeDirectory);

    private interface Step {
        void run() throws Exception;
    }

    private AsyncFirst() {}

    /** With the steps: names of queries and of other steps. */
    public static void main(String[] steps) throws Exception {
        if (!Files.exists(DIRECTORY)) {
            // For Flink's own files. Java itself has read the property already.
            System.setProperty("java.io.tmpdir", DIRECTORY.getParent().toString());
        }
        TableEnvironment tables = tables();
        for (String step : steps) {
            if (QUERIES.containsKey(step)) {
                run(step, tables);
            } else {
                OTHERS.get(step).run();
            }
        }
    }

    private static void repair() {
        System.out.println("objection: " + ForwardedNulls.objection().orElse("none"));
    }

    private static void makeDirectory() throws IOException {
        Files.createDirectory(DIRECTORY);
    }

    private static void repairWhilePlanning() throws InterruptedException {
        CountDownLatch isPlanning = new CountDownLatch(1);
        CountDownLatch isRepaired = new CountDownLatch(1);
        Thread planning =
                new Thread(
                        () -> {
                            TableEnvironment tables = tables();
                            do {
                                tables.explainSql(
                                        QUERIES.get("scalar"),
                                        ExplainDetail.JSON_EXECUTION_PLAN);
                                isPlanning.countDown();
                            } while (isRepaired.getCount() > 0);
                            System.out.println("planned to the end");
                        });
        planning.start();
        isPlanning.await();
        repair();
        isRepaired.countDown();
        planning.join();
    }

    private static TableEnvironment tables() {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.createTemporarySystemFunction("twice", Twice.class);
        tables.createTemporarySystemFunction("twices", Twices.class);
        String[] names = {"n", "beside", "words"};
        tables.createTemporaryView(
                "given",
                environment.fromData(
                        Types.ROW_NAMED(names, Types.INT, Types.LONG, Types.STRING),
                        Row.of(1, null, null),
                        Row.of(2, 5L, "text")));
        tables.executeSql(
                "CREATE TEMPORARY VIEW numbers AS SELECT *, PROCTIME() AS p FROM given");
        tables.executeSql(
                "CREATE TEMPORARY TABLE looked_up (n INT, m INT) WITH ('connector' = 'twice')");
        return tables;
    }

    private static void run(String query, TableEnvironment tables) throws Exception {
        List<String> rows = new ArrayList<>();
        CloseableIterator<Row> results = tables.executeSql(QUERIES.get(query)).collect();
        try {
            results.forEachRemaining(row -> rows.add(row.toString()));
        } finally {
            results.close();
        }
        rows.sort(null);
        System.out.println(query + ": " + rows);
    }

    /** An async function of a user's. */
    public static final class Twice extends AsyncScalarFunction {
        private static final long serialVersionUID = 1L;

        /** Answers at once. */
        public void eval(CompletableFuture<Integer> future, Integer n) {
            future.complete(2 * n);
        }
    }

    /** The same for LATERAL. */
    @FunctionHint(output = @DataTypeHint("ROW<m INT>"))
    public static final class Twices extends AsyncTableFunction<Row> {
        private static final long serialVersionUID = 1L;

        /** Answers at once. */
        public void eval(CompletableFuture<Collection<Row>> future, Integer n) {
            future.complete(List.of(Row.of(2 * n)));
        }
    }
}
