package io.github.pyflinktriton;

/** Says that the Python worker, or what it answered, cannot be used. */
public class WorkerException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public WorkerException(String message) {
        super(message);
    }

    public WorkerException(String message, Throwable cause) {
        super(message, cause);
    }
}
