package io.github.pyflinktriton.planner;

import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.core.Match;
import org.apache.calcite.rex.RexCall;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexShuttle;
import org.apache.calcite.rex.RexVisitorImpl;
import org.apache.calcite.util.Util;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.planner.plan.utils.AsyncUtil;
import org.apache.flink.table.planner.plan.utils.PythonUtil;
import org.apache.flink.table.planner.utils.ShortcutUtils;

import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Tells the calls of models from other calls. */
final class Models {

    private static final int[] NO_MODEL = {};

    private final Function<FunctionDefinition, Object> strictArguments;
    private final Map<FunctionDefinition, int[]> known = new IdentityHashMap<>();

    Models(Function<FunctionDefinition, Object> strictArguments) {
        this.strictArguments = strictArguments;
    }

    boolean isModel(RexNode node) {
        return node instanceof RexCall && strictArguments((RexCall) node) != null;
    }

    /** A model, or another function that Flink gives an operator of its own. */
    boolean isRemote(RexNode node) {
        return node instanceof RexCall
                && (PythonUtil.isPythonCall(node) || AsyncUtil.isAsyncCall(node));
    }

    boolean isAsyncOfRemote(RexCall call) {
        return AsyncUtil.isAsyncCall(call)
                && call.getOperands().stream().anyMatch(each -> contains(each, this::isRemote));
    }

    /**
     * The positions of the arguments whose NULL makes the result NULL; null for another function.
     */
    int[] strictArguments(RexCall call) {
        FunctionDefinition definition = ShortcutUtils.unwrapFunctionDefinition(call);
        if (definition == null) {
            return null;
        }
        int[] positions =
                known.computeIfAbsent(
                        definition,
                        asked -> {
                            int[] found = (int[]) strictArguments.apply(asked);
                            return found == null ? NO_MODEL : found;
                        });
        return positions == NO_MODEL ? null : positions;
    }

    boolean areIn(RexNode node) {
        return contains(node, this::isModel);
    }

    /** Whether a plan has a model anywhere. */
    boolean areIn(RelNode plan) {
        boolean[] found = {false};
        plan.accept(
                new RexShuttle() {
                    @Override
                    public RexNode visitCall(RexCall call) {
                        found[0] |= isModel(call);
                        return super.visitCall(call);
                    }
                });
        return found[0] || areInPattern(plan) || plan.getInputs().stream().anyMatch(this::areIn);
    }

    /** Whether a MATCH_RECOGNIZE has a model; its expressions are shown to no visitor. */
    boolean areInPattern(RelNode plan) {
        return plan instanceof Match
                && Stream.of(((Match) plan).getPatternDefinitions(), ((Match) plan).getMeasures())
                        .flatMap(expressions -> expressions.values().stream())
                        .anyMatch(this::areIn);
    }

    static boolean contains(RexNode node, Predicate<RexNode> wanted) {
        try {
            node.accept(
                    new RexVisitorImpl<Void>(true) {
                        @Override
                        public Void visitCall(RexCall call) {
                            if (wanted.test(call)) {
                                throw Util.FoundOne.NULL;
                            }
                            return super.visitCall(call);
                        }
                    });
            return false;
        } catch (Util.FoundOne e) {
            return true;
        }
    }
}
