package io.github.pyflinktriton;

/** Carries a sentence of Python's to the user as it is: a refused statement or a failed row. */
public final class RefusedException extends WorkerException {

    private static final long serialVersionUID = 1L;

    public RefusedException(String message) {
        super(message);
    }
}
