package io.github.pyflinktriton.function;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.AsyncDefaults;
import io.github.pyflinktriton.compat.UncheckedType;
import io.github.pyflinktriton.model.ModelCall;
import io.github.pyflinktriton.worker.PlanningWorker;
import io.github.pyflinktriton.worker.PythonCommands;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.types.AtomicDataType;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.StaticArgument;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.BooleanType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.TypeConversions;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;

/** A model as {@code m(x)} while a statement is planned; each look-up makes a new one. */
public final class ModelFunction {

    /**
     * An argument that no call gives, so that Flink adds it as NULL. Without it a pandas function
     * whose arguments are all constants would get no column, and Flink would fail. It is an array,
     * because Flink does not turn an array into a constant.
     */
    private static final LogicalType ROWS = new ArrayType(new BooleanType());

    private final ModelCall declared;
    private final PythonCommands python;
    private final ReadableConfig session;
    private final Map<List<LogicalType>, ModelCall> calls = new HashMap<>();
    private final Map<ModelCall, JsonNode> answers = new HashMap<>();

    public ModelFunction(ModelCall declared, PythonCommands python, ReadableConfig session) {
        this.declared = declared;
        this.python = python;
        this.session = session;
    }

    PythonCommands python() {
        return python;
    }

    /** Plans a call with arguments of these types; the user reads what Python objects to. */
    synchronized ModelCall call(List<LogicalType> given) {
        return calls.computeIfAbsent(typed(given), this::ask);
    }

    /**
     * The call with the declared types, because a Python function gets the types of its arguments
     * only when it runs.
     */
    ModelCall declared() {
        return declared.plannedAs(call(declared.input.getChildren()));
    }

    /** True if all calls so far are; before the first, what a call with the declared types is. */
    synchronized boolean isDeterministic() {
        return calls.isEmpty()
                ? call(declared.input.getChildren()).isDeterministic()
                : calls.values().stream().allMatch(ModelCall::isDeterministic);
    }

    private ModelCall ask(List<LogicalType> types) {
        ModelCall given = declared.withArguments(types);
        JsonNode answer = PlanningWorker.of(python.planning).ask("call", given.toJson());
        Log.warnings(declared.model, answer);
        AsyncDefaults.raiseScalar(session, answer);
        ModelCall call = declared.retyped(answer, types);
        answers.put(call, answer);
        return call;
    }

    /**
     * The same with the options of the statement, which in the SQL gateway are not those of the
     * session.
     */
    synchronized ModelCall call(List<LogicalType> given, ReadableConfig statement) {
        ModelCall call = call(given);
        JsonNode answer = answers.get(call);
        if (answer.has("no_nulls") && given.stream().anyMatch(LogicalType::isNullable)) {
            throw new StatementException(answer.path("no_nulls").asText() + ".");
        }
        AsyncDefaults.raiseScalar(statement, answer);
        return call;
    }

    /**
     * The positions of the arguments whose NULL makes the result NULL: all, or those that Python
     * names.
     */
    synchronized int[] strictArguments(boolean areAll) {
        if (answers.isEmpty()) {
            call(declared.input.getChildren());
        }
        // It is the same for all types.
        JsonNode answer = answers.values().iterator().next();
        if (answer.has("no_nulls")) {
            return new int[0];
        }
        return areAll
                ? IntStream.range(0, declared.input.getFieldCount()).toArray()
                : StreamSupport.stream(answer.path("strict").spliterator(), false)
                        .mapToInt(JsonNode::asInt)
                        .toArray();
    }

    /** An untyped NULL takes the declared type. */
    private List<LogicalType> typed(List<LogicalType> given) {
        List<LogicalType> types = new ArrayList<>(given);
        for (int i = 0; i < Math.min(types.size(), declared.input.getFieldCount()); i++) {
            if (types.get(i).is(LogicalTypeRoot.SYMBOL)) {
                // The type that the planner gives to a NULL for an UncheckedType.
                RowType.RowField field = declared.input.getFields().get(i);
                throw new StatementException(
                        String.format(
                                "Model '%s': argument '%s' is a NULL without a type. "
                                        + "Write CAST(NULL AS %s).",
                                declared.model,
                                field.getName(),
                                field.getType().copy(true).asSummaryString()));
            }
            if (types.get(i).is(LogicalTypeRoot.NULL)) {
                types.set(i, declared.input.getTypeAt(i));
            }
        }
        return types;
    }

    TypeInference typeInference() {
        return inference(List.of());
    }

    /** With the argument that tells a pandas function the number of rows. */
    TypeInference typeInferenceWithRows() {
        return inference(List.of(ROWS));
    }

    private TypeInference inference(List<LogicalType> hidden) {
        List<StaticArgument> arguments = new ArrayList<>();
        for (RowType.RowField field : declared.input.getFields()) {
            LogicalType type = field.getType().copy(true);
            DataType shown =
                    hidden.isEmpty()
                            ? TypeConversions.fromLogicalToDataType(type)
                            : new AtomicDataType(new UncheckedType(type));
            arguments.add(StaticArgument.scalar(ArgumentNames.of(field.getName()), shown, false));
        }
        for (LogicalType type : hidden) {
            DataType shown = TypeConversions.fromLogicalToDataType(type);
            arguments.add(StaticArgument.scalar(ArgumentNames.HIDDEN, shown, true));
        }
        CallTypes types = new CallTypes(this, hidden);
        return TypeInference.newBuilder()
                .staticArguments(arguments)
                .inputTypeStrategy(types)
                .outputTypeStrategy(types)
                .build();
    }
}
