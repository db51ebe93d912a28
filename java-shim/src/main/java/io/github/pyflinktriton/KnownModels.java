package io.github.pyflinktriton;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.python.PythonFunction;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which functions are models, however they came to the session. */
final class KnownModels {

    /** What a function of the Python package carries in its pickle; see provider.py there. */
    private static final Pattern MARK = Pattern.compile("pyflink_triton\\.strict=([0-9,]*);");

    /** Where a pickle names the class that it makes. */
    private static final String MODULE = "pyflink_triton.table.";

    private static final int BEGINNING = 64;

    private KnownModels() {}

    /** The places of the arguments whose NULL makes the answer NULL; null for no model. */
    static int[] strictPlaces(FunctionDefinition definition) {
        if (definition instanceof PlannedFunction) {
            return ((PlannedFunction) definition).strictPlaces();
        }
        if (definition instanceof TritonPandasFunction) {
            return ((TritonPandasFunction) definition).strictPlaces();
        }
        if (definition instanceof PythonFunction) {
            byte[] pickle = ((PythonFunction) definition).getSerializedPythonFunction();
            // A user's own function may hold one of ours; it is not one.
            boolean isOurs = text(pickle, BEGINNING).contains(MODULE);
            Matcher mark = MARK.matcher(isOurs ? text(pickle, pickle.length) : "");
            return mark.find() ? places(mark.group(1)) : null;
        }
        return null;
    }

    private static String text(byte[] pickle, int length) {
        return new String(pickle, 0, Math.min(length, pickle.length), StandardCharsets.ISO_8859_1);
    }

    private static int[] places(String written) {
        return Arrays.stream(written.split(","))
                .filter(place -> !place.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
    }
}
