package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;

import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;

import javax.management.JMException;
import javax.management.ObjectName;

/**
 * Gives new code to a class that is loaded already, by an agent that this JVM loads into itself.
 * Threads that run the class at that moment go on with its old code until they leave the method.
 */
final class Redefinition {

    private static final String AGENT = RedefinitionAgent.class.getName();
    private static final String COMMANDS = "com.sun.management:type=DiagnosticCommand";

    private Redefinition() {}

    /**
     * False where the JVM takes no agent, because of an option or because it lacks a module.
     *
     * @throws IOException Where the agent cannot be written to a file, which may work later.
     */
    static boolean of(Class<?> loaded, byte[] code) throws IOException {
        try {
            if (!redefine(loaded, code)) {
                loadAgent();
                return redefine(loaded, code);
            }
            return true;
        } catch (ReflectiveOperationException
                | JMException
                | RuntimeException
                | LinkageError e) {
            Log.LOG.debug("{} cannot be given other code.", loaded, e);
            return false;
        }
    }

    private static boolean redefine(Class<?> loaded, byte[] code)
            throws ReflectiveOperationException {
        Class<?> agent;
        try {
            agent = Class.forName(AGENT, true, ClassLoader.getSystemClassLoader());
        } catch (ClassNotFoundException e) {
            return false;
        }
        return (boolean)
                agent.getMethod("redefine", Class.class, byte[].class).invoke(null, loaded, code);
    }

    /** From a separate jar, because a JVM keeps the jar of an agent on its class path. */
    private static void loadAgent() throws IOException, JMException {
        Path jar = Files.createTempFile("pyflink-triton-", ".jar");
        try {
            write(jar);
            Object[] arguments = {new String[] {'"' + jar.toString() + '"'}};
            ManagementFactory.getPlatformMBeanServer()
                    .invoke(
                            new ObjectName(COMMANDS),
                            "jvmtiAgentLoad",
                            arguments,
                            new String[] {String[].class.getName()});
        } finally {
            Files.delete(jar);
        }
    }

    private static void write(Path jar) throws IOException {
        Manifest manifest = new Manifest();
        Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.putValue("Agent-Class", AGENT);
        attributes.putValue("Can-Redefine-Classes", "true");
        String file = AGENT.replace('.', '/') + ".class";
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest);
                InputStream code = Redefinition.class.getResourceAsStream("/" + file)) {
            out.putNextEntry(new JarEntry(file));
            code.transferTo(out);
        }
    }
}
