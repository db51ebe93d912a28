package io.github.pyflinktriton.compat;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.lookup.AsyncLookupFunctionProvider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.functions.AsyncLookupFunction;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** A table of numbers and their doubles that can only be looked up, asynchronously. */
public final class TwiceLookup implements DynamicTableSourceFactory, LookupTableSource {

    @Override
    public String factoryIdentifier() {
        return "twice";
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
    public DynamicTableSource createDynamicTableSource(DynamicTableFactory.Context context) {
        return this;
    }

    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
        return AsyncLookupFunctionProvider.of(new Lookup());
    }

    @Override
    public DynamicTableSource copy() {
        return this;
    }

    @Override
    public String asSummaryString() {
        return "twice";
    }

    /** Answers at once. */
    public static final class Lookup extends AsyncLookupFunction {
        private static final long serialVersionUID = 1L;

        @Override
        public CompletableFuture<Collection<RowData>> asyncLookup(RowData key) {
            int n = key.getInt(0);
            return CompletableFuture.completedFuture(List.of(GenericRowData.of(n, 2 * n)));
        }
    }
}
