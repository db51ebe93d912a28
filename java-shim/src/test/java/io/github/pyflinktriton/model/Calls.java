package io.github.pyflinktriton.model;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.ResolvedSchema;

import java.util.Map;

/** Calls of models for tests that have no planner. */
public final class Calls {

    private Calls() {}

    /** A number and a text in, the same out. */
    public static ModelCall echo() {
        return echo(Map.of("provider", "triton"));
    }

    public static ModelCall echo(Map<String, String> options) {
        ResolvedSchema columns =
                ResolvedSchema.of(
                        Column.physical("i", DataTypes.INT().notNull()),
                        Column.physical("s", DataTypes.STRING()));
        Schema schema = Schema.newBuilder().fromResolvedSchema(columns).build();
        CatalogModel model = CatalogModel.of(schema, schema, options, null);
        return ModelCall.of("echo", ResolvedCatalogModel.of(model, columns, columns));
    }
}
