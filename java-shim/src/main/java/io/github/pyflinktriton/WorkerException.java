package io.github.pyflinktriton;

/** Says that the Python worker, or what it answered, cannot be used. */
class WorkerException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    WorkerException(String message) {
        super(message);
    }

    WorkerException(String message, Throwable cause) {
        super(message, cause);
    }
}
