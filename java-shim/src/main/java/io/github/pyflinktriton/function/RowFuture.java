package io.github.pyflinktriton.function;

import org.apache.flink.table.data.RowData;

import java.util.Collection;
import java.util.concurrent.CompletableFuture;

/**
 * Hands a row on to Flink's future: one output is the result, several are a ROW. Overridden because
 * a callback for each row would cost more.
 */
final class RowFuture extends CompletableFuture<Collection<RowData>> {

    private final CompletableFuture<Object> result;
    private final RowData.FieldGetter only;

    /** The getter is null where the model has several outputs. */
    RowFuture(CompletableFuture<Object> result, RowData.FieldGetter only) {
        this.result = result;
        this.only = only;
    }

    @Override
    public boolean complete(Collection<RowData> rows) {
        RowData row = rows.iterator().next();
        return result.complete(only == null ? row : only.getFieldOrNull(row));
    }

    @Override
    public boolean completeExceptionally(Throwable failure) {
        return result.completeExceptionally(failure);
    }
}
