package io.github.pyflinktriton.rows;

import java.util.List;

/** Adds one column of a batch to the body of its frame. */
interface ColumnEncoder extends AutoCloseable {

    void encode(List<Object[]> rows, int column, EncodedRows body);

    @Override
    void close();
}
