package io.github.pyflinktriton.catalog;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.catalog.Catalog;
import org.apache.flink.table.catalog.GenericInMemoryCatalog;
import org.apache.flink.table.factories.CatalogFactory;

import java.util.Set;

/** Makes {@code CREATE CATALOG ... WITH ('type' = 'triton')}; Python checks the options. */
public final class TritonCatalogFactory implements CatalogFactory {

    @Override
    public String factoryIdentifier() {
        return "triton";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public Catalog createCatalog(Context context) {
        ModelFunctions functions =
                ModelFunctions.of(
                        context.getOptions(),
                        context.getConfiguration(),
                        NameClashes.inCatalog(
                                context.getName(), GenericInMemoryCatalog.DEFAULT_DB));
        return new TritonCatalog(context.getName(), functions);
    }
}
