package io.github.pyflinktriton.provider;

/**
 * Fails a task because of a row. It is an Error, because Flink adds the row's values to an
 * exception.
 */
final class RowError extends Error {

    private static final long serialVersionUID = 1L;

    RowError(Throwable cause) {
        super(cause.getMessage(), cause);
    }
}
