package bench;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.RowType;

import java.util.Set;

/** Makes {@code 'connector' = 'bench-rows'} a table of {@link Rows}. */
public final class RowsFactory implements DynamicTableSourceFactory {

    private static final ConfigOption<String> PATH =
            ConfigOptions.key("path").stringType().noDefaultValue();
    private static final ConfigOption<Long> ROWS =
            ConfigOptions.key("rows").longType().noDefaultValue();
    private static final ConfigOption<Double> RATE =
            ConfigOptions.key("rate").doubleType().defaultValue(0.0);

    @Override
    public String factoryIdentifier() {
        return "bench-rows";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(PATH, ROWS);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(RATE);
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        ReadableConfig options = FactoryUtil.createTableFactoryHelper(this, context).getOptions();
        RowType type =
                (RowType) context.getCatalogTable().getResolvedSchema()
                        .toPhysicalRowDataType().getLogicalType();
        return new RowsTable(
                new Rows(type, options.get(PATH), options.get(ROWS), options.get(RATE)));
    }

    private static final class RowsTable implements ScanTableSource {

        private final Rows rows;

        RowsTable(Rows rows) {
            this.rows = rows;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            return SourceProvider.of(rows);
        }

        @Override
        public DynamicTableSource copy() {
            return new RowsTable(rows);
        }

        @Override
        public String asSummaryString() {
            return "bench-rows";
        }
    }
}
