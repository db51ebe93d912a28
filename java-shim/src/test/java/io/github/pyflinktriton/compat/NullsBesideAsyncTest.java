package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.api.common.typeutils.base.IntSerializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.PlanReference;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.runtime.typeutils.ExternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.types.variant.Variant;
import org.apache.flink.util.CloseableIterator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Period;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Statements with async functions give what they give with functions that are not async. */
@Timeout(180)
class NullsBesideAsyncTest {

    private static final Object[][] COLUMNS = {
        {DataTypes.INT(), 7},
        {DataTypes.CHAR(2), "ab"},
        {DataTypes.VARCHAR(5), "abc"},
        {DataTypes.STRING(), "text"},
        {DataTypes.BOOLEAN(), true},
        {DataTypes.BINARY(2), new byte[] {1, 2}},
        {DataTypes.VARBINARY(3), new byte[] {3}},
        {DataTypes.BYTES(), new byte[] {4, 5}},
        {DataTypes.DECIMAL(5, 2), new BigDecimal("1.50")},
        {DataTypes.DECIMAL(30, 5), new BigDecimal("12345678901234567890.50000")},
        {DataTypes.TINYINT(), (byte) 1},
        {DataTypes.SMALLINT(), (short) 2},
        {DataTypes.BIGINT(), 3L},
        {DataTypes.FLOAT(), 0.5f},
        {DataTypes.DOUBLE(), 0.25},
        {DataTypes.DATE(), LocalDate.of(2024, 2, 29)},
        {DataTypes.TIME(), LocalTime.of(1, 2, 3)},
        {DataTypes.TIMESTAMP(3), LocalDateTime.of(2024, 1, 2, 3, 4, 5)},
        {DataTypes.TIMESTAMP(9), LocalDateTime.of(2024, 1, 2, 3, 4, 5, 6)},
        {DataTypes.TIMESTAMP_LTZ(3), Instant.ofEpochSecond(1)},
        {DataTypes.TIMESTAMP_LTZ(9), Instant.ofEpochSecond(1, 2)},
        {DataTypes.INTERVAL(DataTypes.YEAR(), DataTypes.MONTH()), Period.ofMonths(5)},
        {DataTypes.INTERVAL(DataTypes.DAY(), DataTypes.SECOND(3)), Duration.ofSeconds(6)},
        {DataTypes.ARRAY(DataTypes.INT()), new Integer[] {1, null}},
        {DataTypes.ARRAY(DataTypes.STRING()), new String[] {"a", null}},
        {DataTypes.MAP(DataTypes.STRING(), DataTypes.INT()), Map.of("k", 1)},
        {DataTypes.MULTISET(DataTypes.STRING()), Map.of("k", 2)},
        {
            DataTypes.ROW(
                    DataTypes.FIELD("a", DataTypes.INT()), DataTypes.FIELD("b", DataTypes.STRING())),
            Row.of(null, "b")
        },
        {
            DataTypes.STRUCTURED(
                    Pair.class,
                    DataTypes.FIELD("a", DataTypes.INT()),
                    DataTypes.FIELD("b", DataTypes.STRING())),
            new Pair()
        },
        {DataTypes.RAW(Integer.class, IntSerializer.INSTANCE), 8},
        {DataTypes.VARIANT(), Variant.newBuilder().of(9)},
    };

    private static final String NAMES =
            IntStream.rangeClosed(1, COLUMNS.length)
                    .mapToObj(column -> "c" + column)
                    .collect(Collectors.joining(", "));

    @BeforeAll
    static void thePlannerIsRepaired() {
        assertEquals(Optional.empty(), ForwardedNulls.objection());
    }

    /** "twice" stands for the function: async in one run, and not in the other. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "SELECT twice(n), #names FROM t",
                "SELECT twice(n), c4, twice(c1), c5, twice(n + 1), c12 FROM t",
                "SELECT CASE WHEN c4 IS NULL THEN twice(n) ELSE twice(c1) END, #names FROM t",
                "SELECT #names FROM t WHERE twice(n) > 1",
                "SELECT twice(n), c4, c14 FROM t WHERE twice(n) > 1 AND c4 IS NULL",
                "SELECT a.c4, b.c14, twice(a.n), b.c1 FROM t AS a JOIN t AS b ON a.n = b.n",
                "SELECT a.c4, b.c14, b.c1 FROM t AS a JOIN t AS b ON twice(a.n) = twice(b.n)",
                "SELECT twice(a.n), a.c4, b.n, b.c14 FROM t AS a"
                        + " LEFT JOIN (SELECT * FROM t WHERE n > 1) AS b ON a.n = b.n",
                "SELECT answer, twice(n), c1, c4, c28, c24 FROM v",
                "SELECT twice(n), c4, c14 FROM t UNION ALL SELECT n, c4, c14 FROM t"
            })
    void whatIsBesideACallIsAsWithoutAsync(String query) throws Exception {
        assertEquals(rows(query, "once"), rows(query, "twice"));
    }

    @Test
    void aPlanThatWasCompiledAndRestored() throws Exception {
        String plan =
                planning()
                        .compilePlanSql(
                                "INSERT INTO printed SELECT twice(n), CASE WHEN n > 1 THEN w END, "
                                        + "CASE WHEN n > 1 THEN d END FROM generated")
                        .asJsonString();
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            planning().loadPlan(PlanReference.fromJsonString(plan)).execute().await();
        } finally {
            System.setOut(out);
        }
        String rows = printed.toString(StandardCharsets.UTF_8);
        assertTrue(rows.contains("+I[2, null, null]"), rows);
        assertTrue(Pattern.compile("\\+I\\[4, [23], [23]\\.").matcher(rows).find(), rows);
    }

    private static List<String> rows(String query, String function) throws Exception {
        TableEnvironment tables = tables(function);
        List<String> rows = new ArrayList<>();
        CloseableIterator<Row> results =
                tables.executeSql(query.replace("#names", NAMES)).collect();
        try {
            results.forEachRemaining(row -> apply(row, rows));
        } finally {
            results.close();
        }
        rows.sort(null);
        assertTrue(rows.toString().contains("null"), rows::toString);
        return rows;
    }

    /** What a join retracts depends on which of its inputs comes first. */
    private static void apply(Row change, List<String> rows) {
        RowKind kind = change.getKind();
        change.setKind(RowKind.INSERT);
        if (kind == RowKind.INSERT || kind == RowKind.UPDATE_AFTER) {
            rows.add(change.toString());
        } else {
            assertTrue(rows.remove(change.toString()), change::toString);
        }
    }

    private static TableEnvironment tables(String function) {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.createTemporarySystemFunction(
                "twice", function.equals("twice") ? AsyncFirst.Twice.class : Once.class);
        List<DataTypes.Field> fields = new ArrayList<>();
        fields.add(DataTypes.FIELD("n", DataTypes.INT()));
        Object[] nulls = new Object[COLUMNS.length + 1];
        Object[] values = new Object[COLUMNS.length + 1];
        nulls[0] = 1;
        values[0] = 2;
        for (int column = 0; column < COLUMNS.length; column++) {
            fields.add(DataTypes.FIELD("c" + (column + 1), (DataType) COLUMNS[column][0]));
            values[column + 1] = COLUMNS[column][1];
        }
        // A stream, so that the planner sees columns and no constants.
        tables.createTemporaryView(
                "t",
                environment.fromData(
                        List.of(Row.of(nulls), Row.of(values)),
                        ExternalTypeInfo.of(DataTypes.ROW(fields))));
        tables.executeSql("CREATE TEMPORARY VIEW v AS SELECT *, twice(n) AS answer FROM t");
        return tables;
    }

    private static TableEnvironment planning() {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.createTemporarySystemFunction("twice", AsyncFirst.Twice.class);
        tables.executeSql(
                "CREATE TABLE generated (n INT, w INT, d DOUBLE) WITH ('connector' = 'datagen',"
                        + " 'number-of-rows' = '2',"
                        + " 'fields.n.kind' = 'sequence', 'fields.n.start' = '1',"
                        + " 'fields.n.end' = '2', 'fields.w.min' = '2', 'fields.w.max' = '3',"
                        + " 'fields.d.min' = '2', 'fields.d.max' = '3')");
        tables.executeSql(
                "CREATE TABLE printed (m INT, w INT, d DOUBLE) WITH ('connector' = 'print')");
        return tables;
    }

    /** A structured type. */
    public static final class Pair {

        public Integer a;
        public String b = "b";

        @Override
        public String toString() {
            return a + b;
        }
    }

    /** The same without async. */
    public static final class Once extends ScalarFunction {

        private static final long serialVersionUID = 1L;

        /** NULL for NULL, as Flink sees to it for an async function. */
        public Integer eval(Integer n) {
            return n == null ? null : (Integer) (2 * n);
        }
    }
}
