package io.github.pyflinktriton.compat;

import java.lang.instrument.ClassDefinition;
import java.lang.instrument.Instrumentation;
import java.lang.instrument.UnmodifiableClassException;

/** Runs in the system's class loader, where a JVM puts its agents, and is called by reflection. */
public final class RedefinitionAgent {

    private static volatile Instrumentation instrumentation;

    private RedefinitionAgent() {}

    /** What the JVM calls. */
    public static void agentmain(String unused, Instrumentation given) {
        instrumentation = given;
    }

    /** Gives a loaded class other code of the same shape; false before the JVM has called. */
    public static boolean redefine(Class<?> loaded, byte[] code)
            throws ClassNotFoundException, UnmodifiableClassException {
        if (instrumentation == null) {
            return false;
        }
        instrumentation.redefineClasses(new ClassDefinition(loaded, code));
        return true;
    }
}
