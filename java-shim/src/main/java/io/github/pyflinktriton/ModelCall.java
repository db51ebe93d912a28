package io.github.pyflinktriton;

import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One use of a model in a statement: all that Python must know to check or to serve it. */
final class ModelCall implements Serializable {

    private static final long serialVersionUID = 1L;

    final String model;
    final RowType input;
    final RowType output;
    private final LinkedHashMap<String, String> options;
    private final LinkedHashMap<String, String> runtimeOptions;

    /** The real types of the columns given; those declared until the planner has told. */
    final RowType arguments;

    private final boolean argumentsKnown;

    private ModelCall(
            String model,
            Map<String, String> options,
            Map<String, String> runtimeOptions,
            RowType input,
            RowType output,
            RowType arguments) {
        this.model = model;
        this.options = new LinkedHashMap<>(options);
        this.runtimeOptions = new LinkedHashMap<>(runtimeOptions);
        this.input = input;
        this.output = output;
        this.arguments = arguments == null ? input : arguments;
        this.argumentsKnown = arguments != null;
    }

    static ModelCall of(String name, ResolvedCatalogModel model) {
        Map<String, String> options = new LinkedHashMap<>(model.getOptions());
        options.remove("provider");
        return new ModelCall(
                name,
                options,
                Map.of(),
                rowType(model.getResolvedInputSchema()),
                rowType(model.getResolvedOutputSchema()),
                null);
    }

    ModelCall withRuntimeOptions(Map<String, String> given) {
        return new ModelCall(model, options, given, input, output, null);
    }

    ModelCall withArguments(List<LogicalType> types) {
        RowType given = RowType.of(types.toArray(new LogicalType[0]));
        return new ModelCall(model, options, runtimeOptions, input, output, given);
    }

    ObjectNode toJson() {
        ObjectNode json = Frame.JSON.createObjectNode().put("model", model);
        json.set("options", Frame.JSON.valueToTree(options));
        json.set("runtime_options", Frame.JSON.valueToTree(runtimeOptions));
        json.set("input", columns(input));
        json.set("output", columns(output));
        if (argumentsKnown) {
            ArrayNode types = json.putArray("arguments");
            arguments.getChildren().forEach(type -> types.add(typeString(type)));
        }
        return json;
    }

    private static ArrayNode columns(RowType row) {
        ArrayNode columns = Frame.JSON.createArrayNode();
        for (RowType.RowField field : row.getFields()) {
            columns.addObject()
                    .put("name", field.getName())
                    .put("type", typeString(field.getType()));
        }
        return columns;
    }

    private static RowType rowType(ResolvedSchema schema) {
        return (RowType) schema.toPhysicalRowDataType().getLogicalType();
    }

    private static String typeString(LogicalType type) {
        return nullable(type).asSummaryString();
    }

    /** On the wire everything may be NULL, so NOT NULL only makes types look different. */
    private static LogicalType nullable(LogicalType type) {
        return type instanceof ArrayType
                ? new ArrayType(nullable(((ArrayType) type).getElementType()))
                : type.copy(true);
    }
}
