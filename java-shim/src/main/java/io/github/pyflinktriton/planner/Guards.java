package io.github.pyflinktriton.planner;

import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.core.AggregateCall;
import org.apache.calcite.rex.RexCall;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.rex.RexShuttle;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalAggregate;
import org.apache.flink.table.planner.plan.nodes.logical.FlinkLogicalCalc;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Calls a model only for the rows whose guard holds: what stands before the call in CASE, IF,
 * COALESCE, AND or OR. {@code CASE WHEN g THEN m(x) END} becomes {@code CASE WHEN g THEN m(CASE
 * WHEN g THEN x END) END}, and what a filter's condition says without a model is asked before the
 * model is.
 */
final class Guards {

    private final Models models;
    private final Map<RelNode, RelNode> done = new IdentityHashMap<>();

    Guards(Models models) {
        this.models = models;
    }

    RelNode apply(RelNode plan) {
        RelNode known = done.get(plan);
        if (known == null) {
            known =
                    plan instanceof FlinkLogicalCalc
                            ? guarded((FlinkLogicalCalc) plan, Map.of())
                            : withInputs(plan);
            done.put(plan, known);
        }
        return known;
    }

    private RelNode withInputs(RelNode plan) {
        List<RelNode> inputs = new ArrayList<>();
        for (RelNode input : plan.getInputs()) {
            inputs.add(
                    plan instanceof FlinkLogicalAggregate && input instanceof FlinkLogicalCalc
                            ? guarded((FlinkLogicalCalc) input, filters(plan))
                            : apply(input));
        }
        return inputs.equals(plan.getInputs()) ? plan : plan.copy(plan.getTraitSet(), inputs);
    }

    /**
     * The columns that an aggregation reads only where its FILTER is TRUE, each with the column of
     * that FILTER.
     */
    private static Map<Integer, Integer> filters(RelNode plan) {
        FlinkLogicalAggregate aggregate = (FlinkLogicalAggregate) plan;
        Map<Integer, Integer> filters = new HashMap<>();
        Set<Integer> others = new HashSet<>(aggregate.getGroupSet().asSet());
        for (AggregateCall call : aggregate.getAggCallList()) {
            for (int column : call.getArgList()) {
                Integer other = filters.putIfAbsent(column, call.filterArg);
                if (call.filterArg < 0 || other != null && other != call.filterArg) {
                    others.add(column);
                }
            }
            others.add(call.filterArg);
            call.collation.getKeys().forEach(others::add);
        }
        filters.keySet().removeAll(others);
        return filters;
    }

    private RelNode guarded(FlinkLogicalCalc calc, Map<Integer, Integer> filters) {
        RelNode input = apply(calc.getInput());
        List<RexNode> projects = Calcs.projects(calc);
        List<RexNode> conditions = Calcs.conditions(calc);
        if (Stream.concat(projects.stream(), conditions.stream()).noneMatch(models::areIn)) {
            return input == calc.getInput()
                    ? calc
                    : calc.copy(calc.getTraitSet(), List.of(input));
        }
        Map<Boolean, List<RexNode>> parts =
                conditions.stream()
                        .collect(
                                Collectors.partitioningBy(
                                        each -> Models.contains(each, models::isRemote)));
        List<RexNode> mixed = parts.get(true);
        List<RexNode> pure = parts.get(false);
        if ((mixed.isEmpty() || pure.isEmpty()) && isGuarded(calc, mixed, projects, filters)) {
            return input == calc.getInput()
                    ? calc
                    : calc.copy(calc.getTraitSet(), List.of(input));
        }
        Layers layers = new Layers(models, calc, input, mixed, projects);
        layers.filter(pure);
        if (!mixed.isEmpty()) {
            Demands asked = demands(calc);
            Set<RexNode> passed = asked.ofFilter(layers.conditions());
            List<RexCall> calls = asked.calls();
            visit(asked, layers.projects(), passed, filters);
            layers.add(calls, asked);
            layers.filter(layers.conditions());
        }
        Demands rest = demands(calc);
        visit(rest, layers.projects(), Set.of(), filters);
        layers.add(rest.calls(), rest);
        return layers.result();
    }

    /**
     * Whether Flink itself calls each model once and for the right rows. An async call with another
     * call in its arguments is not such: Flink may mix up the types of columns and results.
     */
    private boolean isGuarded(
            FlinkLogicalCalc calc,
            List<RexNode> conditions,
            List<RexNode> projects,
            Map<Integer, Integer> filters) {
        Demands demands = demands(calc);
        Set<RexNode> passed = demands.ofFilter(conditions);
        List<RexCall> asked = demands.calls();
        visit(demands, projects, passed, filters);
        for (RexCall call : demands.calls()) {
            if (models.isAsyncOfRemote(call)) {
                return false;
            }
            boolean isForAll = demands.of(call).stream().anyMatch(Set::isEmpty);
            boolean isForPassed =
                    !asked.contains(call)
                            && demands.of(call).stream().anyMatch(passed::containsAll);
            boolean isOnce = count(call, conditions, projects) < 2;
            if (models.isModel(call) && !(isOnce && (isForAll || isForPassed))) {
                return false;
            }
        }
        return true;
    }

    private Demands demands(FlinkLogicalCalc calc) {
        return new Demands(models, calc.getCluster().getRexBuilder());
    }

    private static void visit(
            Demands demands, List<RexNode> projects, Set<RexNode> path, Map<Integer, Integer> filters) {
        for (int i = 0; i < projects.size(); i++) {
            Integer filter = filters.get(i);
            demands.of(
                    projects.get(i),
                    filter == null ? path : demands.plus(path, projects.get(filter)));
        }
    }

    private static int count(RexCall wanted, List<RexNode> conditions, List<RexNode> projects) {
        int[] found = {0};
        RexShuttle counter =
                new RexShuttle() {
                    @Override
                    public RexNode visitCall(RexCall call) {
                        found[0] += call.equals(wanted) ? 1 : 0;
                        return super.visitCall(call);
                    }
                };
        counter.apply(conditions);
        counter.apply(projects);
        return found[0];
    }
}
