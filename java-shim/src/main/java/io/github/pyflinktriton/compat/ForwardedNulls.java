package io.github.pyflinktriton.compat;

import org.apache.flink.util.StringUtils;

import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.Callable;

/**
 * Keeps NULLs in the columns beside an async function. Flink 2.2 and 2.3 write code that loses them:
 * beside {@code m(x)} a NULL number becomes -1 and a NULL text ''. The planner's class that writes
 * this code is replaced by a repaired one, before it is loaded or after. A class that is not known
 * is tried: it is left alone, repaired or refused by what the code that it writes does.
 */
public final class ForwardedNulls {

    private static final String GENERATOR =
            "org.apache.flink.table.planner.codegen.AsyncCodeGenerator";
    private static final String NEIGHBOUR =
            "org.apache.flink.table.planner.codegen.CodeGenException";
    private static final String PROBE = PlannerLoader.PACKAGE + "NullsProbe";

    /**
     * The class files of the generator that lose NULLs and that the repair is made for, by SHA-256.
     */
    private static final Set<String> REPAIRABLE =
            // Flink 2.2.1 and 2.3.0, where it is the same
            Set.of("beed623f801acfceec5a6bc9b74c68981d207204b45331ff432c09b932f18baf");

    /**
     * The result for each planner, so that no planner is tried twice and no agent is loaded twice.
     */
    private static final Map<ClassLoader, Optional<String>> FOUND = new WeakHashMap<>();

    private ForwardedNulls() {}

    /**
     * Repairs the planner if it needs it. Returns what to tell the user where it cannot be
     * repaired.
     */
    public static Optional<String> objection() {
        return objection(PlannerLoader.calling());
    }

    static Optional<String> objection(ClassLoader planner) {
        synchronized (FOUND) {
            Optional<String> known = FOUND.get(planner);
            if (known != null) {
                return known;
            }
            try {
                Optional<String> found = keep(planner);
                FOUND.put(planner, found);
                return found;
            } catch (IOException e) {
                return Optional.of(notYet(e));
            }
        }
    }

    /** Throws an {@link IOException} for what may be otherwise the next time. */
    private static Optional<String> keep(ClassLoader planner) throws IOException {
        try {
            byte[] code = code(planner);
            boolean isKnown = REPAIRABLE.contains(sha256(code));
            if (!isKnown && isKept(planner, code)) {
                return Optional.empty();
            }
            Optional<byte[]> repaired = NullsRepair.of(code);
            if (!isKnown && (repaired.isEmpty() || !isKept(planner, repaired.get()))) {
                return unknown("its generator of that code is not the one that can be repaired");
            }
            return install(repaired.orElseThrow(), planner) ? Optional.empty() : tooLate();
        } catch (Exception | LinkageError e) {
            Throwable cause = RootCause.of(e);
            if (cause instanceof IOException) {
                throw (IOException) cause;
            }
            return unknown("its generator of that code cannot be tried: " + cause);
        }
    }

    private static byte[] code(ClassLoader planner) throws IOException, ClassNotFoundException {
        String file = GENERATOR.replace('.', '/') + ".class";
        try (InputStream code = planner.getResourceAsStream(file)) {
            if (code == null) {
                throw new ClassNotFoundException(GENERATOR);
            }
            return code.readAllBytes();
        }
    }

    private static String sha256(byte[] code) throws NoSuchAlgorithmException {
        return StringUtils.byteToHexString(MessageDigest.getInstance("SHA-256").digest(code));
    }

    /** Tries a class beside the planner's own, which stays as it is, loaded or not. */
    private static boolean isKept(ClassLoader planner, byte[] code) throws Exception {
        ClassLoader loader = PlannerLoader.withCopy(planner, GENERATOR, code);
        Object probe = loader.loadClass(PROBE).getConstructor().newInstance();
        return (boolean) ((Callable<?>) probe).call();
    }

    private static boolean install(byte[] code, ClassLoader planner)
            throws ReflectiveOperationException, IOException {
        try {
            Class<?> neighbour = Class.forName(NEIGHBOUR, true, planner);
            MethodHandles.privateLookupIn(neighbour, MethodHandles.lookup()).defineClass(code);
            return true;
        } catch (LinkageError e) {
            // Loaded already: by an earlier repair, or by a query with another async function.
            Class<?> generator = Class.forName(GENERATOR, false, planner);
            return NullsRepair.isIn(generator) || Redefinition.of(generator, code);
        }
    }

    private static Optional<String> unknown(String reason) {
        return Optional.of(
                "In streaming a model cannot be a function with this version of Flink: Flink 2.3.0 "
                        + "loses NULLs beside async functions, and this version is not known to "
                        + "keep them ("
                        + reason
                        + "). Use ML_PREDICT.");
    }

    private static String notYet(IOException reason) {
        return "In streaming a model cannot be a function yet, because Flink loses NULLs beside "
                + "async functions, and its planner could not be repaired this time: a file could "
                + "not be read or written ("
                + reason
                + "; temporary files are in "
                + System.getProperty("java.io.tmpdir")
                + "). Run the statement again, or use ML_PREDICT.";
    }

    private static Optional<String> tooLate() {
        return Optional.of(
                "In streaming a model cannot be a function in this JVM, because Flink "
                        + "loses NULLs beside async functions, and its planner is in use and "
                        + "cannot be repaired any more. Use ML_PREDICT, or start the JVM anew and "
                        + "create the catalog (in Python: connect()) before another async "
                        + "function is planned. The order does not matter to a JVM that loads "
                        + "agents "
                        + "(-XX:+EnableDynamicAgentLoading, with the modules "
                        + "java.instrument and jdk.management).");
    }
}
