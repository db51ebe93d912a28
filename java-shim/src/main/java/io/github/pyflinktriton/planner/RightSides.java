package io.github.pyflinktriton.planner;

import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.core.JoinRelType;
import org.apache.calcite.rex.RexCall;
import org.apache.calcite.rex.RexCorrelVariable;
import org.apache.calcite.rex.RexFieldAccess;
import org.apache.calcite.rex.RexInputRef;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexShuttle;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCalc;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCorrelate;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalJoin;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalTableFunctionScan;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Takes models out of the right side of UNNEST and LATERAL: Flink computes what stands there in the
 * table function's operator, which cannot call a model.
 */
final class RightSides {

    private final Models models;
    private final Joins joins;
    private final Map<RelNode, RelNode> done = new IdentityHashMap<>();

    RightSides(Models models) {
        this.models = models;
        this.joins = new Joins(models);
    }

    RelNode apply(RelNode plan) {
        RelNode known = done.get(plan);
        if (known == null) {
            List<RelNode> inputs = new ArrayList<>();
            plan.getInputs().forEach(input -> inputs.add(apply(input)));
            known = inputs.equals(plan.getInputs()) ? plan : plan.copy(plan.getTraitSet(), inputs);
            if (known instanceof FlinkLogicalCorrelate) {
                known = freed((FlinkLogicalCorrelate) known);
            } else if (known instanceof FlinkLogicalJoin) {
                known = joins.freed((FlinkLogicalJoin) known);
            } else if (models.areInPattern(known)) {
                throw new ValidationException(
                        "Flink cannot call a model in MATCH_RECOGNIZE. Call it in a view that it "
                                + "reads, for DEFINE, or in the SELECT list above it, for MEASURES.");
            }
            done.put(plan, known);
        }
        return known;
    }

    private RelNode freed(FlinkLogicalCorrelate correlate) {
        RelNode table = correlate.getRight();
        while (table instanceof FlinkLogicalCalc) {
            table = ((FlinkLogicalCalc) table).getInput();
        }
        if (table instanceof FlinkLogicalTableFunctionScan) {
            FlinkLogicalTableFunctionScan scan = (FlinkLogicalTableFunctionScan) table;
            if (models.areIn(scan.getCall())) {
                return withArguments(correlate, scan);
            }
        }
        return models.areIn(correlate.getRight()) ? withoutCalc(correlate) : correlate;
    }

    /** Computes the arguments of the table function below the join. */
    private RelNode withArguments(
            FlinkLogicalCorrelate correlate, FlinkLogicalTableFunctionScan scan) {
        RelNode left = correlate.getLeft();
        int columns = Calcs.width(left);
        List<RexNode> outputs = Calcs.columns(left, 0, columns);
        List<String> names = new ArrayList<>(left.getRowType().getFieldNames());
        List<RexNode> arguments = new ArrayList<>();
        for (RexNode argument : ((RexCall) scan.getCall()).getOperands()) {
            if (models.areIn(argument)) {
                arguments.add(new RexInputRef(outputs.size(), argument.getType()));
                names.add(Calcs.name(outputs.size()));
                outputs.add(argument.accept(joined(correlate, 0)));
            } else {
                arguments.add(argument);
            }
        }
        RexCall call = (RexCall) scan.getCall();
        RelNode right =
                replaced(
                        correlate.getRight(),
                        new FlinkLogicalTableFunctionScan(
                                scan.getCluster(),
                                scan.getTraitSet(),
                                scan.getInputs(),
                                call.clone(call.getType(), arguments),
                                scan.getElementType(),
                                scan.getRowType(),
                                scan.getColumnMappings()));
        RelNode above =
                freed(
                        with(
                                correlate,
                                Calcs.of(left, outputs, List.of(), names),
                                right));
        List<RexNode> kept = Calcs.columns(above, 0, columns);
        kept.addAll(Calcs.columns(above, outputs.size(), Calcs.width(above)));
        return Calcs.of(above, kept, List.of(), correlate.getRowType().getFieldNames());
    }

    private static RelNode replaced(RelNode right, RelNode scan) {
        return right instanceof FlinkLogicalCalc
                ? right.copy(
                        right.getTraitSet(),
                        List.of(replaced(((FlinkLogicalCalc) right).getInput(), scan)))
                : scan;
    }

    /** Computes what stands beside the table function above the join. */
    private RelNode withoutCalc(FlinkLogicalCorrelate correlate) {
        if (correlate.getJoinType() != JoinRelType.INNER) {
            throw new ValidationException(
                    "Flink cannot call a model on the right side of a LEFT JOIN with UNNEST or "
                            + "LATERAL. Call it in the SELECT list above the join, or join a view "
                            + "that has the rows (by CROSS JOIN) and calls the model.");
        }
        FlinkLogicalCalc calc = (FlinkLogicalCalc) correlate.getRight();
        RelNode below = freed(with(correlate, correlate.getLeft(), calc.getInput()));
        int left = Calcs.width(correlate.getLeft());
        RexShuttle joined = joined(correlate, left);
        List<RexNode> outputs = Calcs.columns(below, 0, left);
        outputs.addAll(joined.apply(Calcs.projects(calc)));
        return Calcs.of(
                below,
                outputs,
                joined.apply(Calcs.conditions(calc)),
                correlate.getRowType().getFieldNames());
    }

    /** Reads the columns of the right side from their position after those of the left side. */
    private static RexShuttle joined(FlinkLogicalCorrelate correlate, int left) {
        return new RexShuttle() {
            @Override
            public RexNode visitInputRef(RexInputRef column) {
                return new RexInputRef(column.getIndex() + left, column.getType());
            }

            @Override
            public RexNode visitFieldAccess(RexFieldAccess field) {
                RexNode of = field.getReferenceExpr();
                boolean isOnLeft =
                        of instanceof RexCorrelVariable
                                && ((RexCorrelVariable) of)
                                        .id.equals(correlate.getCorrelationId());
                return isOnLeft
                        ? new RexInputRef(field.getField().getIndex(), field.getType())
                        : super.visitFieldAccess(field);
            }
        };
    }

    private static FlinkLogicalCorrelate with(
            FlinkLogicalCorrelate correlate, RelNode left, RelNode right) {
        return (FlinkLogicalCorrelate)
                correlate.copy(correlate.getTraitSet(), List.of(left, right));
    }
}
