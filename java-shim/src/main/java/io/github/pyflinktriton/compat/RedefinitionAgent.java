package io.github.pyflinktriton.compat;

import java.lang.instrument.ClassDefinition;
import java.lang.instrument.Instrumentation;
import java.lang.instrument.UnmodifiableClassException;

/** The agent. The JVM loads it into the system class loader, so that it is called by reflection. */
public final class RedefinitionAgent {

    private static volatile Instrumentation instrumentation;

    private RedefinitionAgent() {}

    /** What the JVM calls. */
    public static void agentmain(String unused, Instrumentation given) {
        instrumentation = given;
    }

    /** Gives a loaded class new code of the same shape; false until the JVM has called. */
    public static boolean redefine(Class<?> loaded, byte[] code)
            throws ClassNotFoundException, UnmodifiableClassException {
        if (instrumentation == null) {
            return false;
        }
        instrumentation.redefineClasses(new ClassDefinition(loaded, code));
        return true;
    }
}
