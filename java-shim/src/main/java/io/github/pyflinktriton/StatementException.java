package io.github.pyflinktriton;

import org.apache.flink.table.api.ValidationException;

import java.util.Optional;

/**
 * A statement is refused. The user reads the message of this exception last, so it has no stack.
 */
public final class StatementException extends ValidationException {

    private static final long serialVersionUID = 1L;

    public StatementException(String message) {
        super(message);
    }

    /** Refuses a statement where there is an objection to it. */
    public static void throwIfPresent(Optional<String> objection) {
        if (objection.isPresent()) {
            throw new StatementException(objection.get());
        }
    }

    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
