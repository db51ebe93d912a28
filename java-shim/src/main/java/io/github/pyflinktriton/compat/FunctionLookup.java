package io.github.pyflinktriton.compat;

import java.util.List;
import java.util.stream.Collectors;

/**
 * Why Flink looks a function up in a catalog. Flink gives only a name, also for each column and
 * each operator of a statement, where a function would be of no use. So the reason is read from the
 * stack. A caller that is not known counts as a call: the server is then asked once more.
 */
public final class FunctionLookup {

    private static final int DEPTH = 32;

    private final boolean isCall;
    private final boolean isQualified;

    private FunctionLookup(boolean isCall, boolean isQualified) {
        this.isCall = isCall;
        this.isQualified = isQualified;
    }

    /** The look-up that called this method. */
    public static FunctionLookup current() {
        List<StackWalker.StackFrame> frames =
                StackWalker.getInstance()
                        .walk(all -> all.limit(DEPTH).collect(Collectors.toList()));
        boolean isQualified =
                frames.stream()
                        .noneMatch(f -> isIn(f, "resolveAmbiguousFunctionReference"));
        return new FunctionLookup(isCall(frames, isQualified), isQualified);
    }

    /** Whether a model could be meant. */
    public boolean mayMeanModel(String name) {
        return isCall && (isQualified || !FlinkFunctions.isOfPlanner(name));
    }

    /**
     * The nearest known caller decides, because for nested calls the callers in Calcite call each
     * other.
     */
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
