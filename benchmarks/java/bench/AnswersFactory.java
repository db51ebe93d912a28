package bench;

import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.types.logical.RowType;

import java.util.Set;

/** Makes {@code 'connector' = 'bench-answers'} a sink that adds up what it is given. */
public final class AnswersFactory implements DynamicTableSinkFactory {

    @Override
    public String factoryIdentifier() {
        return "bench-answers";
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
    public DynamicTableSink createDynamicTableSink(Context context) {
        return new AnswersTable(
                (RowType) context.getCatalogTable().getResolvedSchema()
                        .toPhysicalRowDataType().getLogicalType());
    }

    private static final class AnswersTable implements DynamicTableSink {

        private final RowType type;

        AnswersTable(RowType type) {
            this.type = type;
        }

        @Override
        public ChangelogMode getChangelogMode(ChangelogMode requested) {
            return ChangelogMode.insertOnly();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            return SinkV2Provider.of(new Answers(type));
        }

        @Override
        public DynamicTableSink copy() {
            return new AnswersTable(type);
        }

        @Override
        public String asSummaryString() {
            return "bench-answers";
        }
    }

    private static final class Answers implements Sink<RowData> {

        private static final long serialVersionUID = 1L;

        private final RowType type;

        Answers(RowType type) {
            this.type = type;
        }

        @Override
        public SinkWriter<RowData> createWriter(WriterInitContext context) {
            return new Adder(type);
        }
    }
}
