package io.github.pyflinktriton.compat;

/** What an error began with. Reflection and static code wrap it in errors that do not name it. */
final class RootCause {

    private RootCause() {}

    static Throwable of(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }
}
