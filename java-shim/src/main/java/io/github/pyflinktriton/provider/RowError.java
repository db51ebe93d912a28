package io.github.pyflinktriton.provider;

/** Fails a task for a row; no exception, because to those Flink adds the row's values. */
final class RowError extends Error {

    private static final long serialVersionUID = 1L;

    RowError(Throwable cause) {
        super(cause.getMessage(), cause);
    }
}
