package io.github.pyflinktriton.planner;

import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.type.RelDataType;
import org.apache.calcite.rel.type.RelDataTypeField;
import org.apache.calcite.rex.RexBuilder;
import org.apache.calcite.rex.RexCall;
import org.apache.calcite.rex.RexInputRef;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexShuttle;
import org.apache.calcite.rex.RexUtil;
import org.apache.calcite.sql.fun.SqlStdOperatorTable;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCalc;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Splits one Calc into several: a remote call is in a lower one than what reads its result. */
final class Layers {

    private final Models models;
    private final FlinkLogicalCalc calc;
    private final RexBuilder builder;
    private RelNode top;
    private List<RexNode> conditions;
    private List<RexNode> projects;

    /** The conditions with remote calls and the projections are over the rows of the input. */
    Layers(
            Models models,
            FlinkLogicalCalc calc,
            RelNode input,
            List<RexNode> conditions,
            List<RexNode> projects) {
        this.models = models;
        this.calc = calc;
        this.builder = calc.getCluster().getRexBuilder();
        this.top = input;
        this.conditions = conditions;
        this.projects = projects;
    }

    /** The conditions as they are over the rows so far. */
    List<RexNode> conditions() {
        return conditions;
    }

    /** The projections as they are over the rows so far. */
    List<RexNode> projects() {
        return projects;
    }

    /** Keeps the rows that pass. */
    void filter(List<RexNode> passing) {
        if (passing.equals(conditions)) {
            conditions = List.of();
        }
        if (!passing.isEmpty()) {
            put(Map.of(), Map.of(), passing);
        }
    }

    /** Computes calls, each where it is demanded. */
    void add(List<RexCall> calls, Demands demands) {
        Map<RexCall, RexCall> open = new LinkedHashMap<>();
        Map<RexCall, List<Set<RexNode>>> settled = demands.settled(calls);
        settled.keySet().forEach(call -> open.put(call, guarded(call, settled)));
        while (!open.isEmpty()) {
            Map<RexCall, RexCall> ready = new LinkedHashMap<>();
            for (Map.Entry<RexCall, RexCall> each : open.entrySet()) {
                boolean waits =
                        each.getValue().getOperands().stream()
                                .anyMatch(operand -> Models.contains(operand, open::containsKey));
                if (!waits) {
                    ready.put(each.getKey(), each.getValue());
                }
            }
            open.keySet().removeAll(ready.keySet());
            RexShuttle shuttle = put(ready, open, List.of());
            Map<RexCall, RexCall> later = new LinkedHashMap<>();
            open.forEach(
                    (call, form) ->
                            later.put(
                                    (RexCall) call.accept(shuttle),
                                    (RexCall) form.accept(shuttle)));
            open.clear();
            open.putAll(later);
        }
    }

    RelNode result() {
        List<String> names = calc.getRowType().getFieldNames();
        if (!RexUtil.isIdentity(projects, top.getRowType())) {
            return Calcs.of(top, projects, List.of(), names);
        }
        FlinkLogicalCalc last = (FlinkLogicalCalc) top;
        return Calcs.of(last.getInput(), Calcs.projects(last), Calcs.conditions(last), names);
    }

    /**
     * Makes a strict argument NULL where the guard is not TRUE: the result is NULL and nothing is
     * sent.
     */
    private RexCall guarded(RexCall call, Map<RexCall, List<Set<RexNode>>> settled) {
        int[] positions = models.strictArguments(call);
        List<Set<RexNode>> sets = settled.get(call);
        if (positions == null || positions.length == 0 || sets.stream().anyMatch(Set::isEmpty)) {
            return call;
        }
        for (int position : positions) {
            RexNode argument = call.getOperands().get(position);
            if (models.isModel(argument)
                    && models.strictArguments((RexCall) argument).length > 0
                    && sets.equals(settled.get(argument))) {
                return call;
            }
        }
        RexNode guard =
                RexUtil.composeDisjunction(
                        builder,
                        sets.stream()
                                .map(set -> RexUtil.composeConjunction(builder, set))
                                .collect(Collectors.toList()));
        List<RexNode> operands = new ArrayList<>(call.getOperands());
        RexNode argument = operands.get(positions[0]);
        RelDataType type =
                builder.getTypeFactory().createTypeWithNullability(argument.getType(), true);
        operands.set(
                positions[0],
                builder.makeCall(
                        type,
                        SqlStdOperatorTable.CASE,
                        List.of(guard, argument, builder.makeNullLiteral(type))));
        return call.clone(call.getType(), operands);
    }

    /** Puts a Calc on top: first the columns that are still read, then the calls. */
    private RexShuttle put(
            Map<RexCall, RexCall> ready, Map<RexCall, RexCall> open, List<RexNode> passing) {
        Set<Integer> kept = new TreeSet<>();
        RexShuttle reading =
                new RexShuttle() {
                    @Override
                    public RexNode visitCall(RexCall call) {
                        return ready.containsKey(call) ? call : super.visitCall(call);
                    }

                    @Override
                    public RexNode visitInputRef(RexInputRef column) {
                        kept.add(column.getIndex());
                        return column;
                    }
                };
        reading.apply(conditions);
        reading.apply(projects);
        open.values().forEach(form -> form.accept(reading));
        Map<Integer, Integer> moved = new HashMap<>();
        List<RexNode> outputs = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int index : kept) {
            moved.put(index, outputs.size());
            RelDataTypeField field = top.getRowType().getFieldList().get(index);
            outputs.add(new RexInputRef(index, field.getType()));
            names.add(field.getName());
        }
        Map<RexCall, Integer> answers = new HashMap<>();
        ready.forEach(
                (call, form) -> {
                    answers.put(call, outputs.size());
                    names.add(Calcs.name(answers.size()));
                    outputs.add(form);
                });
        RexShuttle shuttle =
                new RexShuttle() {
                    @Override
                    public RexNode visitCall(RexCall call) {
                        Integer answer = answers.get(call);
                        return answer == null
                                ? super.visitCall(call)
                                : new RexInputRef(answer, call.getType());
                    }

                    @Override
                    public RexNode visitInputRef(RexInputRef column) {
                        return new RexInputRef(moved.get(column.getIndex()), column.getType());
                    }
                };
        top = Calcs.of(top, outputs, passing, names);
        conditions = shuttle.apply(conditions);
        projects = shuttle.apply(projects);
        return shuttle;
    }
}
