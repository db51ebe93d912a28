package io.github.pyflinktriton;

import org.apache.flink.table.api.ValidationException;

/** What is wrong in a statement: the last cause that the user reads, so without a stack. */
public final class StatementException extends ValidationException {

    private static final long serialVersionUID = 1L;

    public StatementException(String message) {
        super(message);
    }

    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
