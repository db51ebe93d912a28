package bench;

import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource.NumberSequenceSplit;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceReaderBase;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.NumberSequenceIterator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * A bounded source that repeats the rows of a file, at full speed or at a rate. The rows are made
 * once, so the source costs next to nothing, and it chains with what follows, as a connector does.
 */
final class Rows
        implements Source<RowData, NumberSequenceSplit, Collection<NumberSequenceSplit>> {

    private static final long serialVersionUID = 1L;

    private final NumberSequenceSource numbers;
    private final RowType type;
    private final String path;
    private final double rate;

    Rows(RowType type, String path, long rows, double rate) {
        this.numbers = new NumberSequenceSource(0, rows - 1);
        this.type = type;
        this.path = path;
        this.rate = rate;
    }

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<RowData, NumberSequenceSplit> createReader(SourceReaderContext context) {
        try {
            return new Reader(context, RowFile.read(path, type), RowFile.sentColumn(type), rate);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> createEnumerator(
            SplitEnumeratorContext<NumberSequenceSplit> context) {
        return numbers.createEnumerator(context);
    }

    @Override
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> restoreEnumerator(
            SplitEnumeratorContext<NumberSequenceSplit> context,
            Collection<NumberSequenceSplit> splits) {
        return numbers.restoreEnumerator(context, splits);
    }

    @Override
    public SimpleVersionedSerializer<NumberSequenceSplit> getSplitSerializer() {
        return numbers.getSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<Collection<NumberSequenceSplit>>
            getEnumeratorCheckpointSerializer() {
        return numbers.getEnumeratorCheckpointSerializer();
    }

    /** Emits row i of the file for number i, and waits without a thread where there is a rate. */
    private static final class Reader
            extends IteratorSourceReaderBase<
                    Long, RowData, NumberSequenceIterator, NumberSequenceSplit> {

        private final GenericRowData[] rows;
        private final int sent;
        private final double nanosBetween;
        private long first;
        private long emitted;

        Reader(SourceReaderContext context, GenericRowData[] rows, int sent, double rate) {
            super(context);
            this.rows = rows;
            this.sent = sent;
            this.nanosBetween = rate > 0 ? 1e9 / rate : 0;
        }

        @Override
        public InputStatus pollNext(ReaderOutput<RowData> output) {
            return early() > 0 ? InputStatus.NOTHING_AVAILABLE : super.pollNext(output);
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            long nanos = early();
            if (nanos <= 0) {
                return super.isAvailable();
            }
            Executor later = CompletableFuture.delayedExecutor(nanos, TimeUnit.NANOSECONDS);
            return CompletableFuture.runAsync(() -> {}, later);
        }

        private long early() {
            if (nanosBetween == 0 || emitted == 0) {
                return 0;
            }
            return first + (long) (emitted * nanosBetween) - System.nanoTime();
        }

        @Override
        protected RowData convert(Long number) {
            if (emitted++ == 0) {
                Tally.begin();
                first = System.nanoTime();
            }
            GenericRowData row = rows[(int) (number % rows.length)];
            if (sent < 0) {
                return row;
            }
            GenericRowData stamped = new GenericRowData(row.getArity());
            for (int c = 0; c < row.getArity(); c++) {
                stamped.setField(c, c == sent ? (Object) System.nanoTime() : row.getField(c));
            }
            return stamped;
        }
    }
}
