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

/** Takes the planner's Calc, projections over a filter, apart and makes new ones. */
final class Calcs {

    private Calcs() {}

    static List<RexNode> projects(FlinkLogicalCalc calc) {
        RexProgram program = calc.getProgram();
        return program.getProjectList().stream()
                .map(program::expandLocalRef)
                .collect(Collectors.toList());
    }

    /** What a row must pass, each; none where all pass. */
    static List<RexNode> conditions(FlinkLogicalCalc calc) {
        RexProgram program = calc.getProgram();
        return program.getCondition() == null
                ? List.of()
                : RelOptUtil.conjunctions(program.expandLocalRef(program.getCondition()));
    }

    /** The rows themselves where nothing is to be done: Flink takes no Calc for that. */
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

    /** The columns of rows from one place on, to before another one. */
    static List<RexNode> columns(RelNode rows, int from, int to) {
        List<RexNode> columns = new ArrayList<>();
        for (int i = from; i < to; i++) {
            columns.add(RexInputRef.of(i, rows.getRowType()));
        }
        return columns;
    }

    static int width(RelNode rows) {
        return rows.getRowType().getFieldCount();
    }

    /** Reads the columns from a place on that many places further. */
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
