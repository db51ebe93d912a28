package io.github.pyflinktriton.planner;

import org.apache.calcite.plan.RelOptUtil;
import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rex.RexInputRef;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexProgram;
import org.apache.calcite.rex.RexShuttle;
import org.apache.calcite.rex.RexUtil;
import org.apache.calcite.sql.validate.SqlValidatorUtil;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCalc;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Reads the parts of the planner's Calc, projections over a filter, and makes new ones. */
final class Calcs {

    private Calcs() {}

    static List<RexNode> projects(FlinkLogicalCalc calc) {
        RexProgram program = calc.getProgram();
        return program.getProjectList().stream()
                .map(program::expandLocalRef)
                .collect(Collectors.toList());
    }

    /** The conditions that a row must pass; empty where all rows pass. */
    static List<RexNode> conditions(FlinkLogicalCalc calc) {
        RexProgram program = calc.getProgram();
        return program.getCondition() == null
                ? List.of()
                : RelOptUtil.conjunctions(program.expandLocalRef(program.getCondition()));
    }

    /**
     * Makes a Calc, or returns the input where a Calc would change nothing, because Flink refuses
     * such a one.
     */
    static RelNode of(
            RelNode input, List<RexNode> projects, List<RexNode> conditions, List<String> names) {
        if (conditions.isEmpty() && RexUtil.isIdentity(projects, input.getRowType())) {
            return input;
        }
        return FlinkLogicalCalc.create(
                input,
                RexProgram.create(
                        input.getRowType(),
                        projects,
                        RexUtil.composeConjunction(
                                input.getCluster().getRexBuilder(), conditions, true),
                        SqlValidatorUtil.uniquify(names, true),
                        input.getCluster().getRexBuilder()));
    }

    /** References to the columns from one position to another, which is not included. */
    static List<RexNode> columns(RelNode rows, int from, int to) {
        List<RexNode> columns = new ArrayList<>();
        for (int i = from; i < to; i++) {
            columns.add(RexInputRef.of(i, rows.getRowType()));
        }
        return columns;
    }

    /** The name of a column that the step adds; Flink shows it to nobody. */
    static String name(int number) {
        return "f" + number;
    }

    static int width(RelNode rows) {
        return rows.getRowType().getFieldCount();
    }

    /** Moves references to the columns from a position on by a distance. */
    static RexShuttle moved(int from, int by) {
        return new RexShuttle() {
            @Override
            public RexNode visitInputRef(RexInputRef column) {
                return column.getIndex() < from
                        ? column
                        : new RexInputRef(column.getIndex() + by, column.getType());
            }
        };
    }
}
