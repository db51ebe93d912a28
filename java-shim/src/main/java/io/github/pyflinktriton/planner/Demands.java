package io.github.pyflinktriton.planner;

import org.apache.calcite.rex.RexBuilder;
import org.apache.calcite.rex.RexCall;
import org.apache.calcite.rex.RexFieldAccess;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexUtil;
import org.apache.calcite.sql.SqlKind;
import org.apache.calcite.sql.SqlOperator;
import org.apache.calcite.sql.fun.SqlStdOperatorTable;
import org.apache.flink.table.functions.BuiltInFunctionDefinitions;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.planner.functions.sql.FlinkSqlOperatorTable;
import org.apache.flink.table.planner.utils.ShortcutUtils;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * For each remote call in some expressions, the rows for which its result matters: those for which
 * each condition of at least one set is TRUE. For all other rows the expressions have the same
 * values without the result, NULL and UNKNOWN included.
 */
final class Demands {

    /** More sets become one with what they share; the guard may then hold for more rows. */
    private static final int MOST_SETS = 8;

    private final Models models;
    private final RexBuilder builder;
    private final Map<RexCall, List<Set<RexNode>>> found = new LinkedHashMap<>();

    Demands(Models models, RexBuilder builder) {
        this.models = models;
        this.builder = builder;
    }

    /** The calls, each after those that it contains. */
    List<RexCall> calls() {
        return new ArrayList<>(found.keySet());
    }

    /** The sets of a call; an empty set means that the result always matters. */
    List<Set<RexNode>> of(RexCall call) {
        List<Set<RexNode>> sets = new ArrayList<>();
        for (Set<RexNode> set : found.get(call)) {
            Set<RexNode> others = new LinkedHashSet<>(set);
            others.removeIf(condition -> Models.contains(condition, call::equals));
            add(sets, others);
        }
        if (sets.size() > MOST_SETS) {
            Set<RexNode> common = new LinkedHashSet<>(sets.get(0));
            sets.forEach(common::retainAll);
            return List.of(common);
        }
        return sets;
    }

    /**
     * The sets of the calls that are made now. Where calls wait for each other, on different rows,
     * the first of them does not wait.
     */
    Map<RexCall, List<Set<RexNode>>> settled(List<RexCall> calls) {
        Map<RexCall, List<Set<RexNode>>> settled = new LinkedHashMap<>();
        List<RexCall> open = new ArrayList<>(calls);
        while (!open.isEmpty()) {
            RexCall next =
                    open.stream()
                            .filter(
                                    call ->
                                            of(call).stream()
                                                    .flatMap(Set::stream)
                                                    .noneMatch(each -> waits(each, open)))
                            .filter(call -> !waits(call.getOperands(), open))
                            .findFirst()
                            .orElse(null);
            List<Set<RexNode>> sets = new ArrayList<>();
            if (next == null) {
                next =
                        open.stream()
                                .filter(call -> !waits(call.getOperands(), open))
                                .findFirst()
                                .orElseThrow();
                for (Set<RexNode> set : of(next)) {
                    Set<RexNode> known = new LinkedHashSet<>(set);
                    known.removeIf(each -> waits(each, open));
                    add(sets, known);
                }
            } else {
                sets = of(next);
            }
            settled.put(next, sets);
            open.remove(next);
        }
        return settled;
    }

    private static boolean waits(List<RexNode> nodes, List<RexCall> open) {
        return nodes.stream().anyMatch(each -> waits(each, open));
    }

    private static boolean waits(RexNode node, List<RexCall> open) {
        return Models.contains(node, open::contains);
    }

    /**
     * Looks for calls in conditions that a filter's rows pass.
     *
     * @return What holds for the rows that pass.
     */
    Set<RexNode> ofFilter(List<RexNode> conditions) {
        return ofConjunction(conditions, Set.of(), true);
    }

    /**
     * Looks for calls in an expression.
     *
     * @param path What holds where the expression's value matters.
     */
    void of(RexNode node, Set<RexNode> path) {
        visit(node, path, false);
    }

    private void visit(RexNode node, Set<RexNode> path, boolean isUnknownFalse) {
        if (node instanceof RexFieldAccess) {
            visit(((RexFieldAccess) node).getReferenceExpr(), path, false);
        }
        if (!(node instanceof RexCall) || !Models.contains(node, models::isRemote)) {
            return;
        }
        RexCall call = (RexCall) node;
        List<RexNode> operands = call.getOperands();
        if (models.isRemote(call)) {
            operands.forEach(operand -> visit(operand, path, false));
            add(found.computeIfAbsent(call, unknown -> new ArrayList<>()), path);
        } else if (call.getKind() == SqlKind.AND) {
            ofConjunction(operands, path, isUnknownFalse);
        } else if (call.getKind() == SqlKind.OR) {
            Set<RexNode> rest = path;
            for (RexNode operand : cheapFirst(operands)) {
                visit(operand, rest, isUnknownFalse);
                rest = plus(rest, isNotTrue(operand));
            }
        } else if (isCase(call)) {
            Set<RexNode> rest = path;
            for (int i = 0; i + 1 < operands.size(); i += 2) {
                RexNode when = operands.get(i);
                visit(when, rest, true);
                visit(operands.get(i + 1), plus(rest, when), isUnknownFalse);
                rest = plus(rest, isNotTrue(when));
            }
            visit(operands.get(operands.size() - 1), rest, isUnknownFalse);
        } else if (isCoalesce(call)) {
            Set<RexNode> rest = path;
            for (RexNode operand : operands) {
                visit(operand, rest, false);
                rest = plus(rest, builder.makeCall(SqlStdOperatorTable.IS_NULL, operand));
            }
        } else {
            boolean isTest =
                    call.getKind() == SqlKind.IS_TRUE || call.getKind() == SqlKind.IS_NOT_TRUE;
            operands.forEach(operand -> visit(operand, path, isTest));
        }
    }

    private Set<RexNode> ofConjunction(
            List<RexNode> conditions, Set<RexNode> path, boolean isUnknownFalse) {
        Set<RexNode> rest = path;
        for (RexNode condition : cheapFirst(conditions)) {
            visit(condition, rest, isUnknownFalse);
            rest = plus(rest, isUnknownFalse ? condition : isNotFalse(condition));
        }
        return rest;
    }

    /** AND and OR promise no order, so that conditions without a call come first. */
    private List<RexNode> cheapFirst(List<RexNode> conditions) {
        return conditions.stream()
                .sorted(Comparator.comparing(each -> Models.contains(each, models::isRemote)))
                .collect(Collectors.toList());
    }

    /** Adds a condition to a path, unless it could have another value when it is computed twice. */
    Set<RexNode> plus(Set<RexNode> path, RexNode condition) {
        if (condition.isAlwaysTrue() || !isTheSameTwice(condition)) {
            return path;
        }
        Set<RexNode> longer = new LinkedHashSet<>(path);
        longer.add(condition);
        return longer;
    }

    /**
     * A condition is computed twice, for the guard and in its own position; a remote call only
     * once.
     */
    private boolean isTheSameTwice(RexNode condition) {
        return !Models.contains(
                condition,
                node -> {
                    SqlOperator operator = ((RexCall) node).getOperator();
                    return !models.isRemote(node)
                            && (!operator.isDeterministic() || operator.isDynamicFunction());
                });
    }

    private RexNode isNotTrue(RexNode condition) {
        return condition.getType().isNullable()
                ? builder.makeCall(SqlStdOperatorTable.IS_NOT_TRUE, condition)
                : RexUtil.not(condition);
    }

    private RexNode isNotFalse(RexNode condition) {
        return condition.getType().isNullable()
                ? builder.makeCall(SqlStdOperatorTable.IS_NOT_FALSE, condition)
                : condition;
    }

    /** Adds a set, unless a set that holds for more rows is there. */
    private static void add(List<Set<RexNode>> sets, Set<RexNode> more) {
        if (sets.stream().noneMatch(more::containsAll)) {
            sets.removeIf(set -> set.containsAll(more));
            sets.add(more);
        }
    }

    private static boolean isCase(RexCall call) {
        return call.getKind() == SqlKind.CASE
                || call.getOperator() == FlinkSqlOperatorTable.IF
                || isBuiltIn(call, BuiltInFunctionDefinitions.IF);
    }

    private static boolean isCoalesce(RexCall call) {
        return call.getKind() == SqlKind.COALESCE
                || isBuiltIn(call, BuiltInFunctionDefinitions.COALESCE)
                || isBuiltIn(call, BuiltInFunctionDefinitions.IF_NULL);
    }

    private static boolean isBuiltIn(RexCall call, FunctionDefinition definition) {
        return ShortcutUtils.unwrapFunctionDefinition(call) == definition;
    }
}
