package io.github.pyflinktriton.model;

import io.github.pyflinktriton.Json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;

import org.apache.flink.table.api.Schema;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.utils.TypeConversions;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Columns as Python writes them, {@code [{"name", "type"}]}, and as Flink has them. */
public final class ModelSchemas {

    private ModelSchemas() {}

    public static ArrayNode toJson(RowType row) {
        ArrayNode columns = Json.MAPPER.createArrayNode();
        for (RowType.RowField field : row.getFields()) {
            columns.addObject()
                    .put("name", field.getName())
                    .put("type", field.getType().asSummaryString());
        }
        return columns;
    }

    public static ArrayNode toJson(List<LogicalType> types) {
        ArrayNode strings = Json.MAPPER.createArrayNode();
        types.forEach(type -> strings.add(type.asSummaryString()));
        return strings;
    }

    static RowType toRowType(JsonNode columns) {
        List<RowType.RowField> fields = new ArrayList<>();
        for (JsonNode column : columns) {
            String type = column.path("type").asText();
            fields.add(
                    new RowType.RowField(
                            column.path("name").asText(),
                            LogicalTypeParser.parse(type, ModelSchemas.class.getClassLoader())));
        }
        return new RowType(fields);
    }

    public static RowType toRowType(ResolvedSchema schema) {
        return (RowType) schema.toPhysicalRowDataType().getLogicalType();
    }

    public static ResolvedCatalogModel toModel(
            JsonNode described, Map<String, String> options, String comment) {
        ResolvedSchema input = toSchema(described.path("input"));
        ResolvedSchema output = toSchema(described.path("output"));
        CatalogModel model =
                CatalogModel.of(unresolved(input), unresolved(output), options, comment);
        return ResolvedCatalogModel.of(model, input, output);
    }

    private static ResolvedSchema toSchema(JsonNode columns) {
        List<Column> physical = new ArrayList<>();
        for (RowType.RowField field : toRowType(columns).getFields()) {
            physical.add(
                    Column.physical(
                            field.getName(),
                            TypeConversions.fromLogicalToDataType(field.getType())));
        }
        return ResolvedSchema.of(physical);
    }

    private static Schema unresolved(ResolvedSchema schema) {
        return Schema.newBuilder().fromResolvedSchema(schema).build();
    }
}
