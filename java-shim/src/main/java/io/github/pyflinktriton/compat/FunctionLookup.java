package io.github.pyflinktriton.compat;

import java.util.List;
import java.util.stream.Collectors;

/**
 * Why Flink looks a function up in a catalog. It hands over a name only, also for each column and
 * each operator of a statement, where it could do nothing with a function; so its stack is read. A
 * caller that is not known counts as a call: the server is then asked for a name too many.
 */
public final class FunctionLookup {

    private static final int DEPTH = 32;

    private final boolean isCall;
    private final boolean isQualified;

    private FunctionLookup(boolean isCall, boolean isQualified) {
        this.isCall = isCall;
        this.isQualified = isQualified;
    }

    /** The one that is under way. */
    public static FunctionLookup current() {
        List<StackWalker.StackFrame> frames =
                StackWalker.getInstance()
                        .walk(all -> all.limit(DEPTH).collect(Collectors.toList()));
        boolean isQualified =
                frames.stream()
                        .noneMatch(f -> isIn(f, "resolveAmbiguousFunctionReference"));
        return new FunctionLookup(isCall(frames, isQualified), isQualified);
    }

    /** Whether a model could be what is looked for. */
    public boolean mayMeanModel(String name) {
        return isCall && (isQualified || !FlinkFunctions.isOfPlanner(name));
    }

    /** The nearest caller that is known says it; Calcite's call each other for nested calls. */
    private static boolean isCall(List<StackWalker.StackFrame> frames, boolean isQualified) {
        for (StackWalker.StackFrame frame : frames) {
            if (isIn(frame, "makeNullaryCall")) {
                return false;
            }
            if (isIn(frame, "deriveType")) {
                return !frame.getClassName().equals("org.apache.calcite.sql.SqlOperator");
            }
            if (frame.getClassName().endsWith(".RexNodeToExpressionConverter")) {
                return isQualified;
            }
            if (isIn(frame, "performUnconditionalRewrites")) {
                return true;
            }
        }
        return true;
    }

    private static boolean isIn(StackWalker.StackFrame frame, String method) {
        return frame.getMethodName().equals(method);
    }
}
