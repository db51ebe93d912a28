package io.github.pyflinktriton.model;

import io.github.pyflinktriton.Json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;

import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One call of a model in a statement: all that Python needs to check it or to serve it. */
public final class ModelCall implements Serializable {

    private static final long serialVersionUID = 1L;

    public final String model;
    public final RowType input;
    public final RowType output;
    private final LinkedHashMap<String, String> options;
    private final LinkedHashMap<String, String> runtimeOptions;

    /**
     * The types of the columns that the call gives; the declared ones until the planner tells them.
     */
    public final RowType arguments;

    private final boolean argumentsKnown;

    /** What Python planned with and asks for, as JSON. Java only carries it to the task. */
    private final String plan;

    /** After how many ms Flink's operator fails a row; null where it never does. */
    private final Long limit;

    private ModelCall(
            String model,
            Map<String, String> options,
            Map<String, String> runtimeOptions,
            RowType input,
            RowType output,
            RowType arguments,
            String plan,
            Long limit) {
        this.model = model;
        this.options = new LinkedHashMap<>(options);
        this.runtimeOptions = new LinkedHashMap<>(runtimeOptions);
        this.input = input;
        this.output = output;
        this.arguments = arguments == null ? input : arguments;
        this.argumentsKnown = arguments != null;
        this.plan = plan;
        this.limit = limit;
    }

    public static ModelCall of(String name, ResolvedCatalogModel model) {
        Map<String, String> options = new LinkedHashMap<>(model.getOptions());
        options.remove("provider");
        return new ModelCall(
                name,
                options,
                Map.of(),
                ModelSchemas.toRowType(model.getResolvedInputSchema()),
                ModelSchemas.toRowType(model.getResolvedOutputSchema()),
                null,
                null,
                null);
    }

    public ModelCall withRuntimeOptions(Map<String, String> given) {
        return new ModelCall(model, options, given, input, output, null, null, limit);
    }

    public ModelCall withArguments(List<LogicalType> types) {
        RowType given = RowType.of(types.toArray(new LogicalType[0]));
        return new ModelCall(model, options, runtimeOptions, input, output, given, null, limit);
    }

    /**
     * With 80% of the time that the options of Flink give a row, so that Python ends before Flink
     * does.
     */
    public ModelCall within(Optional<Duration> operator) {
        return new ModelCall(
                model,
                options,
                runtimeOptions,
                input,
                output,
                argumentsKnown ? arguments : null,
                plan,
                operator.map(timeout -> timeout.toMillis() * 8 / 10).orElse(null));
    }

    /** With what Python answered to {@code check}. */
    public ModelCall planned(JsonNode answer) {
        return new ModelCall(
                model, options, runtimeOptions, input, output, arguments, plan(answer), limit);
    }

    /** With the plan of another call of the model. */
    public ModelCall plannedAs(ModelCall other) {
        return new ModelCall(
                model, options, runtimeOptions, input, output, null, other.plan, limit);
    }

    /**
     * As Python answered to {@code call}. Flink casts arrays. Other values go as they are and
     * Python casts them, because Flink loses the casts of arguments that are given by name.
     */
    public ModelCall retyped(JsonNode answer, List<LogicalType> given) {
        RowType wanted = ModelSchemas.toRowType(answer.path("input"));
        RowType results = ModelSchemas.toRowType(answer.path("output"));
        List<LogicalType> sent = new ArrayList<>(wanted.getChildren());
        for (int i = 0; i < sent.size(); i++) {
            if (!sent.get(i).is(LogicalTypeRoot.ARRAY)) {
                sent.set(i, given.get(i).copy(true));
            }
        }
        return new ModelCall(
                model,
                options,
                runtimeOptions,
                wanted,
                results,
                RowType.of(sent.toArray(new LogicalType[0])),
                plan(answer),
                limit);
    }

    public ObjectNode toJson() {
        ObjectNode json = Json.MAPPER.createObjectNode().put("model", model);
        json.set("options", Json.MAPPER.valueToTree(options));
        json.set("runtime_options", Json.MAPPER.valueToTree(runtimeOptions));
        json.set("input", ModelSchemas.toJson(input));
        json.set("output", ModelSchemas.toJson(output));
        if (argumentsKnown) {
            json.set("arguments", ModelSchemas.toJson(arguments.getChildren()));
        }
        if (limit != null) {
            json.put("limit", limit);
        }
        return json;
    }

    /** The fields of {@code open}, save those of the task. */
    public ObjectNode toOpen() {
        ObjectNode json = toJson();
        if (plan != null && Json.read(plan).has("signature")) {
            json.set("planned", Json.read(plan).get("signature"));
        }
        return json;
    }

    /** True unless Python said otherwise. */
    public boolean isDeterministic() {
        return plan == null || Json.read(plan).path("deterministic").asBoolean(true);
    }

    /** The variables of the environment that the worker of the task gets beside the usual ones. */
    public List<String> environment() {
        return plan == null ? List.of() : environment(Json.read(plan));
    }

    /** The variables of the environment that an answer asks for. */
    public static List<String> environment(JsonNode answer) {
        List<String> names = new ArrayList<>();
        answer.path("environment").forEach(name -> names.add(name.asText()));
        return names;
    }

    private static String plan(JsonNode answer) {
        ObjectNode plan = Json.MAPPER.createObjectNode();
        if (answer.path("signature").isObject()) {
            plan.set("signature", answer.get("signature"));
        }
        if (answer.has("deterministic")) {
            plan.set("deterministic", answer.get("deterministic"));
        }
        if (answer.has("environment")) {
            plan.set("environment", answer.get("environment"));
        }
        return plan.toString();
    }
}
