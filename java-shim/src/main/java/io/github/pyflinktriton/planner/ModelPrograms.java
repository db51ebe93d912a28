package io.github.pyflinktriton.planner;

import org.apache.calcite.plan.RelOptRule;
import org.apache.calcite.plan.hep.HepMatchOrder;
import org.apache.calcite.rel.RelNode;
import org.apache.calcite.rel.type.RelDataTypeSystem;
import org.apache.calcite.rex.RexBuilder;
import org.apache.calcite.rex.RexNode;
import org.apache.calcite.sql.SqlOperatorTable;
import org.apache.calcite.sql.fun.SqlStdOperatorTable;
import org.apache.calcite.sql.parser.SqlParser;
import org.apache.calcite.sql.type.SqlTypeFactoryImpl;
import org.apache.calcite.sql2rel.SqlToRelConverter;
import org.apache.calcite.tools.RuleSets;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.TableException;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.planner.calcite.CalciteConfig;
import org.apache.flink.table.planner.plan.optimize.program.BatchOptimizeContext;
import org.apache.flink.table.planner.plan.optimize.program.FlinkBatchProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkChainedProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkGroupProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkHepRuleSetProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkHepRuleSetProgramBuilder;
import org.apache.flink.table.planner.plan.optimize.program.FlinkOptimizeContext;
import org.apache.flink.table.planner.plan.optimize.program.FlinkOptimizeProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkRuleSetProgram;
import org.apache.flink.table.planner.plan.optimize.program.FlinkStreamProgram;
import org.apache.flink.table.planner.plan.optimize.program.StreamOptimizeContext;
import org.apache.flink.table.planner.plan.rules.logical.AsyncCalcSplitRule;
import org.apache.flink.table.planner.plan.rules.logical.RemoteCalcSplitRuleBase;
import org.apache.flink.table.planner.plan.rules.logical.SplitRemoteConditionFromJoinRule;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

import scala.Option;
import scala.Some;
import scala.Tuple2;

/**
 * Flink's own optimizer programs with a step for models. Flink gives Python and async functions
 * operators of their own near the end of its logical rewriting; until then they are calls like any
 * other, in conditions and under CASE. Just before that the step keeps models behind their guards.
 */
public final class ModelPrograms implements CalciteConfig {

    private static final String STEP = "models";
    private static final RexNode ANY_CALL =
            new RexBuilder(new SqlTypeFactoryImpl(RelDataTypeSystem.DEFAULT))
                    .makeCall(SqlStdOperatorTable.PI);

    private final CalciteConfig configured;
    private final TableConfig session;
    private final Models models;
    private final Function<Throwable, RuntimeException> refusal;
    private final Consumer<Throwable> problems;

    /**
     * Makes the programs; those that the user has set stay as they are.
     *
     * @param models For a model's function: the positions whose NULL makes its result NULL, as an
     *     {@code int[]}; null for any other function.
     * @param refusal For a statement with a model that the step cannot treat, because the planner
     *     has changed: Flink's own plan could give its columns other types.
     * @param problems Takes what hinders the step otherwise; Flink then plans by itself.
     */
    public ModelPrograms(
            CalciteConfig configured,
            TableConfig session,
            Function<FunctionDefinition, Object> models,
            Function<Throwable, RuntimeException> refusal,
            Consumer<Throwable> problems) {
        this.configured = configured == null ? CalciteConfig.DEFAULT() : configured;
        this.session = session;
        this.models = new Models(models);
        this.refusal = refusal;
        this.problems = problems;
    }

    @Override
    public Option<FlinkChainedProgram<StreamOptimizeContext>> getStreamProgram() {
        if (configured.getStreamProgram().isDefined()) {
            return configured.getStreamProgram();
        }
        return withStep(
                () -> FlinkStreamProgram.buildProgram(session),
                () -> FlinkStreamProgram.LOGICAL_REWRITE());
    }

    @Override
    public Option<FlinkChainedProgram<BatchOptimizeContext>> getBatchProgram() {
        if (configured.getBatchProgram().isDefined()) {
            return configured.getBatchProgram();
        }
        return withStep(
                () -> FlinkBatchProgram.buildProgram(session),
                () -> FlinkBatchProgram.LOGICAL_REWRITE());
    }

    /**
     * Empty, so that Flink plans by itself, where its program is not as it is in 2.2 and 2.3.
     *
     * @param made Makes Flink's program. A lambda, because Java looks for the method of a reference
     *     before it hands the reference over.
     */
    private <C extends FlinkOptimizeContext> Option<FlinkChainedProgram<C>> withStep(
            Supplier<FlinkChainedProgram<C>> made, Supplier<String> rewrite) {
        try {
            models.isModel(ANY_CALL); // else only a statement would show that it cannot be told
            FlinkChainedProgram<C> program = made.get();
            addStep(program, rewrite.get());
            return new Some<>(program);
        } catch (RuntimeException | LinkageError e) {
            problems.accept(e);
            return Option.empty();
        }
    }

    /** Cuts Flink's sequence of rules in two, because one before the step would undo its work. */
    private <C extends FlinkOptimizeContext> void addStep(
            FlinkChainedProgram<C> program, String rewrite) {
        FlinkRuleSetProgram<C> rules = rules(program.get(rewrite).get());
        List<RelOptRule> before = new ArrayList<>();
        for (RelOptRule rule : rules.rules()) {
            if (rule instanceof RemoteCalcSplitRuleBase) {
                break;
            }
            before.add(rule);
        }
        List<RelOptRule> remote = rules.rules().subList(before.size(), rules.rules().size());
        List<RelOptRule> joins = new ArrayList<>();
        for (RelOptRule rule : remote) {
            if (rule instanceof SplitRemoteConditionFromJoinRule) {
                joins.add(rule);
            }
        }
        // Flink 2.2 has no rules for async calls in batch, where models are Python functions.
        boolean areAsync = remote.contains(AsyncCalcSplitRule.NESTED_SPLIT);
        if (remote.isEmpty() || joins.isEmpty() == areAsync) {
            throw new IllegalStateException("the rules for remote calls are not where they were");
        }
        rules.remove(RuleSets.ofList(before));
        FlinkOptimizeProgram<C> first = sequence(before);
        FlinkOptimizeProgram<C> conditions = sequence(joins);
        program.addBefore(
                rewrite,
                STEP,
                (root, context) -> {
                    boolean areModels = false;
                    try {
                        areModels = models.areIn(root);
                        if (areModels) {
                            RelNode free = new RightSides(models).apply(root);
                            RelNode merged =
                                    conditions.optimize(first.optimize(free, context), context);
                            return new Guards(models).apply(merged);
                        }
                    } catch (TableException | ValidationException e) {
                        throw e;
                    } catch (RuntimeException | LinkageError e) {
                        if (areModels && e instanceof LinkageError) {
                            throw refusal.apply(e);
                        }
                        problems.accept(e);
                    }
                    return first.optimize(root, context);
                });
    }

    private static <C extends FlinkOptimizeContext> FlinkRuleSetProgram<C> rules(
            FlinkOptimizeProgram<C> rewrite) {
        if (rewrite instanceof FlinkRuleSetProgram) {
            return (FlinkRuleSetProgram<C>) rewrite;
        }
        try {
            Field programs = FlinkGroupProgram.class.getDeclaredField("programs");
            programs.setAccessible(true);
            Tuple2<?, ?> first = (Tuple2<?, ?>) ((List<?>) programs.get(rewrite)).get(0);
            @SuppressWarnings("unchecked") // the type of the group's own
            FlinkRuleSetProgram<C> rules = (FlinkRuleSetProgram<C>) first._1();
            return rules;
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static <C extends FlinkOptimizeContext> FlinkHepRuleSetProgram<C> sequence(
            List<RelOptRule> rules) {
        FlinkHepRuleSetProgram<C> program =
                FlinkHepRuleSetProgramBuilder.<C>newBuilder().add(RuleSets.ofList(rules)).build();
        program.setHepMatchOrder(HepMatchOrder.BOTTOM_UP);
        return program;
    }

    @Override
    public boolean replacesSqlOperatorTable() {
        return configured.replacesSqlOperatorTable();
    }

    @Override
    public Option<SqlOperatorTable> getSqlOperatorTable() {
        return configured.getSqlOperatorTable();
    }

    @Override
    public Option<SqlParser.Config> getSqlParserConfig() {
        return configured.getSqlParserConfig();
    }

    @Override
    public Option<SqlToRelConverter.Config> getSqlToRelConverterConfig() {
        return configured.getSqlToRelConverterConfig();
    }
}
