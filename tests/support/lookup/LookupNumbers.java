import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.functions.LookupFunction;

import java.util.Collection;
import java.util.List;
import java.util.Set;

/** A table to look up in, for tests: for each k above 0 a row (k, 10 * k), and none for others. */
public final class LookupNumbers implements DynamicTableSourceFactory, LookupTableSource {

    @Override
    public String factoryIdentifier() {
        return "lookup-numbers";
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
    public DynamicTableSource createDynamicTableSource(
            DynamicTableSourceFactory.Context context) {
        return new LookupNumbers();
    }

    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
        return LookupFunctionProvider.of(new Rows());
    }

    @Override
    public DynamicTableSource copy() {
        return new LookupNumbers();
    }

    @Override
    public String asSummaryString() {
        return factoryIdentifier();
    }

    /** What is found. */
    public static final class Rows extends LookupFunction {

        @Override
        public Collection<RowData> lookup(RowData key) {
            long k = key.getLong(0);
            return k > 0 ? List.of(GenericRowData.of(k, 10 * k)) : List.of();
        }
    }
}
