package io.github.pyflinktriton;

/** Carries Python's message to the user as it is: for a refused statement or a failed row. */
public final class RefusedException extends WorkerException {

    private static final long serialVersionUID = 1L;

    public RefusedException(String message) {
        super(message);
    }
}
