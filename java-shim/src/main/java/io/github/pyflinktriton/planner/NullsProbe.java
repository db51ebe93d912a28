package io.github.pyflinktriton.planner;

import org.apache.calcite.rel.type.RelDataType;
import org.apache.calcite.rex.RexBuilder;
import org.apache.calcite.rex.RexInputRef;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.sql.SqlKind;
import org.apache.flink.streaming.api.functions.async.AsyncFunction;
import org.apache.flink.streaming.api.functions.async.CollectionSupplier;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.catalog.ContextResolvedFunction;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.AsyncScalarFunction;
import org.apache.flink.table.planner.calcite.FlinkTypeFactory;
import org.apache.flink.table.planner.calcite.FlinkTypeSystem;
import org.apache.flink.table.planner.codegen.AsyncCodeGenerator;
import org.apache.flink.table.planner.functions.bridging.BridgingSqlFunction;
import org.apache.flink.table.types.inference.StaticArgument;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.inference.TypeStrategies;
import org.apache.flink.table.types.logical.RowType;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;

/**
 * Lets the planner's generator write the code of a projection with an async function and columns of
 * several types, runs that code, and tells whether every column keeps its NULL and its value.
 */
public final class NullsProbe implements Callable<Boolean> {

    private static final RowType COLUMNS =
            (RowType)
                    DataTypes.ROW(
                                    DataTypes.INT(),
                                    DataTypes.BIGINT(),
                                    DataTypes.BOOLEAN(),
                                    DataTypes.DOUBLE(),
                                    DataTypes.DECIMAL(30, 2),
                                    DataTypes.TIMESTAMP(3),
                                    DataTypes.STRING(),
                                    DataTypes.BYTES(),
                                    DataTypes.ARRAY(DataTypes.INT()))
                            .getLogicalType();

    /** All but the first column, which is the argument of the async function. */
    private static final Object[] VALUES = {
        2L,
        true,
        0.5,
        DecimalData.fromBigDecimal(new BigDecimal("3.50"), 30, 2),
        TimestampData.fromEpochMillis(4),
        StringData.fromString("five"),
        new byte[] {6},
        new GenericArrayData(new int[] {7})
    };

    private static final Object[] NULLS = new Object[VALUES.length];

    private static final int WITHOUT_ANSWER = 0;

    private final ClassLoader loader = NullsProbe.class.getClassLoader();

    @Override
    public Boolean call() throws Exception {
        AsyncFunction<RowData, RowData> projection = projection();
        return isKept(projection, 1, VALUES)
                && isKept(projection, 1, NULLS)
                && isKept(projection, null, VALUES)
                && isKept(projection, WITHOUT_ANSWER, VALUES);
    }

    /** The columns as they are, then the async function of the first. */
    private AsyncFunction<RowData, RowData> projection() {
        FlinkTypeFactory types = new FlinkTypeFactory(loader, FlinkTypeSystem.INSTANCE);
        RelDataType row = types.buildRelNodeRowType(COLUMNS);
        List<RexNode> projects = new ArrayList<>();
        for (int column = 0; column < COLUMNS.getFieldCount(); column++) {
            projects.add(RexInputRef.of(column, row));
        }
        Answer answer = new Answer();
        BridgingSqlFunction function =
                BridgingSqlFunction.of(
                        null,
                        types,
                        null,
                        SqlKind.OTHER_FUNCTION,
                        ContextResolvedFunction.anonymous(answer),
                        answer.getTypeInference(null));
        projects.add(new RexBuilder(types).makeCall(function, List.of(projects.get(0))));
        List<RowType.RowField> fields = new ArrayList<>(COLUMNS.getFields());
        fields.add(new RowType.RowField("answer", COLUMNS.getTypeAt(0)));
        return AsyncCodeGenerator.generateFunction(
                        "NullsProbe",
                        COLUMNS,
                        new RowType(fields),
                        projects,
                        true,
                        TableConfig.getDefault(),
                        loader)
                .newInstance(loader);
    }

    private static boolean isKept(
            AsyncFunction<RowData, RowData> projection, Integer argument, Object[] others)
            throws Exception {
        List<Object> row = new ArrayList<>();
        row.add(argument);
        row.addAll(Arrays.asList(others));
        Result result = new Result();
        projection.asyncInvoke(GenericRowData.of(row.toArray()), result);
        row.add(Answer.to(argument));
        return GenericRowData.of(row.toArray()).equals(result.row.getNow(null));
    }

    /** The argument itself, but for one that has no answer. */
    public static final class Answer extends AsyncScalarFunction {

        private static final long serialVersionUID = 1L;

        /** Answers at once. */
        public void eval(CompletableFuture<Integer> future, Integer value) {
            future.complete(to(value));
        }

        static Integer to(Integer value) {
            return value == null || value == WITHOUT_ANSWER ? null : value;
        }

        @Override
        public TypeInference getTypeInference(DataTypeFactory unused) {
            return TypeInference.newBuilder()
                    .staticArguments(StaticArgument.scalar("value", DataTypes.INT(), false))
                    .outputTypeStrategy(TypeStrategies.explicit(DataTypes.INT()))
                    .build();
        }
    }

    private static final class Result implements ResultFuture<RowData> {

        private final CompletableFuture<RowData> row = new CompletableFuture<>();

        @Override
        public void complete(Collection<RowData> rows) {
            row.complete(rows.iterator().next());
        }

        @Override
        public void complete(CollectionSupplier<RowData> supplier) {
            try {
                complete(supplier.get());
            } catch (Exception e) {
                completeExceptionally(e);
            }
        }

        @Override
        public void completeExceptionally(Throwable failure) {
            row.completeExceptionally(failure);
        }
    }
}
