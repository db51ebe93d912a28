package io.github.pyflinktriton.model;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.python.PythonFunction;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Tells models from other functions, however they came to the session. */
public final class StrictArguments {

    /** What a function of the Python package carries in its pickle; see provider.py there. */
    private static final Pattern MARK = Pattern.compile("pyflink_triton\\.strict=([0-9,]*);");

    /** Where a pickle names the class that it makes. */
    private static final String MODULE = "pyflink_triton.table.";

    private static final int BEGINNING = 64;

    private StrictArguments() {}

    /**
     * Finds the positions of the arguments whose NULL makes the result NULL.
     *
     * @return The positions; null where the function is not a model.
     */
    public static int[] of(FunctionDefinition definition) {
        if (definition instanceof ModelFunctionDefinition) {
            return ((ModelFunctionDefinition) definition).strictArguments();
        }
        if (definition instanceof PythonFunction) {
            byte[] pickle = ((PythonFunction) definition).getSerializedPythonFunction();
            // A user's function that holds a model's is not a model.
            boolean isModel = text(pickle, BEGINNING).contains(MODULE);
            Matcher mark = MARK.matcher(isModel ? text(pickle, pickle.length) : "");
            return mark.find() ? positions(mark.group(1)) : null;
        }
        return null;
    }

    private static String text(byte[] pickle, int length) {
        return new String(pickle, 0, Math.min(length, pickle.length), StandardCharsets.ISO_8859_1);
    }

    private static int[] positions(String written) {
        return Arrays.stream(written.split(","))
                .filter(position -> !position.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
    }
}
