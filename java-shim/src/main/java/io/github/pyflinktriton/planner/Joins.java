package io.github.pyflinktriton.planner;

import org.apache.calcite.plan.RelOptUtil;
import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.core.JoinInfo;
import org.apache.calcite.rel.core.JoinRelType;
import org.apache.calcite.rex.RexBuilder;
import org.apache.calcite.rex.RexInputRef;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexShuttle;
import org.apache.calcite.rex.RexUtil;
import org.apache.calcite.util.ImmutableBitSet;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCalc;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalJoin;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalSnapshot;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Moves models out of joins, whose operators cannot call them. */
final class Joins {

    private final Models models;

    Joins(Models models) {
        this.models = models;
    }

    RelNode freed(FlinkLogicalJoin join) {
        FlinkLogicalJoin once = withoutDerived(join);
        if (once.getJoinType() != JoinRelType.INNER && models.areIn(once.getCondition())) {
            return withConditionBefore(once);
        }
        FlinkLogicalCalc looked = ofSnapshot(once.getRight());
        boolean isAsked =
                looked != null && Calcs.conditions(looked).stream().anyMatch(models::areIn);
        return isAsked ? withConditionAfter(once, looked) : once;
    }

    /**
     * Flink concludes from {@code l.k = r.k} and {@code m(l.k) > 1} that {@code m(r.k) > 1}, and
     * would call the model for the rows of both sides.
     */
    private FlinkLogicalJoin withoutDerived(FlinkLogicalJoin join) {
        FlinkLogicalCalc right = calc(join.getRight());
        if (join.getJoinType().generatesNullsOnLeft()
                || right == null
                || !(join.getLeft() instanceof FlinkLogicalCalc)) {
            return join;
        }
        FlinkLogicalCalc left = (FlinkLogicalCalc) join.getLeft();
        JoinInfo keys = join.analyzeCondition();
        Map<RexNode, RexNode> equal = new HashMap<>();
        for (int i = 0; i < keys.leftKeys.size(); i++) {
            equal.put(
                    Calcs.projects(right).get(keys.rightKeys.get(i)),
                    Calcs.projects(left).get(keys.leftKeys.get(i)));
        }
        int none = Calcs.width(left.getInput());
        RexShuttle leftColumns =
                new RexShuttle() {
                    @Override
                    public RexNode visitInputRef(RexInputRef column) {
                        // The left side has no such column, so that the condition equals none.
                        return equal.getOrDefault(
                                column, new RexInputRef(none, column.getType()));
                    }
                };
        List<RexNode> known = Calcs.conditions(left);
        List<RexNode> asked = new ArrayList<>(Calcs.conditions(right));
        boolean isLess =
                asked.removeIf(
                        each -> models.areIn(each) && known.contains(each.accept(leftColumns)));
        return isLess
                ? with(
                        join,
                        left,
                        replaced(join.getRight(), right, withConditions(right, asked)),
                        join.getCondition())
                : join;
    }

    /**
     * Computes a model in the condition of an outer join below the join, as a column of the side
     * that it reads.
     */
    private RelNode withConditionBefore(FlinkLogicalJoin join) {
        int width = Calcs.width(join.getLeft());
        ImmutableBitSet leftColumns = ImmutableBitSet.range(width);
        List<RexNode> left = new ArrayList<>();
        List<RexNode> right = new ArrayList<>();
        List<RexNode> conditions = RelOptUtil.conjunctions(join.getCondition());
        for (RexNode condition : conditions) {
            if (models.areIn(condition)) {
                ImmutableBitSet read = RelOptUtil.InputFinder.bits(condition);
                if (leftColumns.contains(read)) {
                    left.add(condition);
                } else if (!leftColumns.intersects(read)) {
                    right.add(condition.accept(Calcs.moved(0, -width)));
                } else {
                    throw new ValidationException(
                            "Flink cannot call a model in the condition of an outer join, or of IN, "
                                    + "EXISTS, NOT IN or NOT EXISTS, with columns of both sides. Call "
                                    + "it for each side's columns in a view of that side, or above "
                                    + "an inner join.");
                }
            }
        }
        RexBuilder builder = join.getCluster().getRexBuilder();
        RexShuttle moved = Calcs.moved(width, left.size());
        List<RexNode> rest = new ArrayList<>();
        int nextLeft = width;
        int nextRight = width + left.size() + Calcs.width(join.getRight());
        for (RexNode condition : conditions) {
            if (!models.areIn(condition)) {
                rest.add(condition.accept(moved));
            } else {
                boolean isOnLeft = leftColumns.contains(RelOptUtil.InputFinder.bits(condition));
                rest.add(
                        new RexInputRef(
                                isOnLeft ? nextLeft++ : nextRight++, condition.getType()));
            }
        }
        FlinkLogicalJoin wider =
                with(
                        join,
                        wider(join.getLeft(), left),
                        wider(join.getRight(), right),
                        RexUtil.composeConjunction(builder, rest));
        List<RexNode> outputs = Calcs.columns(wider, 0, width);
        if (join.getJoinType().projectsRight()) {
            int from = width + left.size();
            outputs.addAll(Calcs.columns(wider, from, from + Calcs.width(join.getRight())));
        }
        return Calcs.of(wider, outputs, List.of(), join.getRowType().getFieldNames());
    }

    /** Computes a condition with a model on a row that is looked up after the look-up. */
    private RelNode withConditionAfter(FlinkLogicalJoin join, FlinkLogicalCalc looked) {
        if (join.getJoinType() != JoinRelType.INNER) {
            throw new ValidationException(
                    "Flink cannot call a model in the condition of a LEFT JOIN with a table that it "
                            + "looks up. Call it above the join, in the SELECT list: "
                            + "CASE WHEN m(t.v) > 0 THEN t.v END.");
        }
        List<RexNode> before = new ArrayList<>();
        List<RexNode> after = new ArrayList<>();
        Calcs.conditions(looked).forEach(each -> (models.areIn(each) ? after : before).add(each));
        List<RexNode> outputs = Calcs.projects(looked);
        List<String> names = new ArrayList<>(looked.getRowType().getFieldNames());
        int left = Calcs.width(join.getLeft());
        RexShuttle read =
                new RexShuttle() {
                    @Override
                    public RexNode visitInputRef(RexInputRef column) {
                        if (!outputs.contains(column)) {
                            outputs.add(column);
                            names.add(Calcs.name(outputs.size()));
                        }
                        return new RexInputRef(left + outputs.indexOf(column), column.getType());
                    }
                };
        List<RexNode> above = read.apply(after);
        RelNode wider = Calcs.of(looked.getInput(), outputs, before, names);
        RelNode joined =
                with(
                        join,
                        join.getLeft(),
                        replaced(join.getRight(), looked, wider),
                        join.getCondition());
        return Calcs.of(
                joined,
                Calcs.columns(joined, 0, Calcs.width(join)),
                above,
                join.getRowType().getFieldNames());
    }

    private static RelNode wider(RelNode side, List<RexNode> more) {
        if (more.isEmpty()) {
            return side;
        }
        List<RexNode> outputs = Calcs.columns(side, 0, Calcs.width(side));
        List<String> names = new ArrayList<>(side.getRowType().getFieldNames());
        for (RexNode each : more) {
            names.add(Calcs.name(outputs.size()));
            outputs.add(each);
        }
        return Calcs.of(side, outputs, List.of(), names);
    }

    private static FlinkLogicalJoin with(
            FlinkLogicalJoin join, RelNode left, RelNode right, RexNode condition) {
        return new FlinkLogicalJoin(
                join.getCluster(),
                join.getTraitSet(),
                left,
                right,
                condition,
                join.getHints(),
                join.getJoinType());
    }

    private static RelNode withConditions(FlinkLogicalCalc calc, List<RexNode> conditions) {
        return Calcs.of(
                calc.getInput(),
                Calcs.projects(calc),
                conditions,
                calc.getRowType().getFieldNames());
    }

    /**
     * The Calc on top of a side, also below the node that says as of which time the side is read.
     */
    private static FlinkLogicalCalc calc(RelNode side) {
        return side instanceof FlinkLogicalCalc ? (FlinkLogicalCalc) side : ofSnapshot(side);
    }

    private static FlinkLogicalCalc ofSnapshot(RelNode side) {
        RelNode below =
                side instanceof FlinkLogicalSnapshot
                        ? ((FlinkLogicalSnapshot) side).getInput()
                        : side instanceof FlinkLogicalCalc
                                        && ((FlinkLogicalCalc) side).getInput()
                                                instanceof FlinkLogicalSnapshot
                                ? side
                                : null;
        return below instanceof FlinkLogicalCalc ? (FlinkLogicalCalc) below : null;
    }

    private static RelNode replaced(RelNode side, RelNode calc, RelNode other) {
        return side == calc ? other : side.copy(side.getTraitSet(), List.of(other));
    }
}
