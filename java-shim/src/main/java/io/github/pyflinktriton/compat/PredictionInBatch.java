package io.github.pyflinktriton.compat;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.ReadableConfig;

import java.util.Optional;

/**
 * Whether the planner has ML_PREDICT in batch, which came with Flink 2.3. Flink 2.2 prints its
 * whole plan instead of a sentence.
 */
public final class PredictionInBatch {

    private static final String NODE =
            "org.apache.flink.table.planner.plan.nodes.physical.batch."
                    + "BatchPhysicalMLPredictTableFunction";

    private PredictionInBatch() {}

    /** What to tell the user of a statement with ML_PREDICT that cannot be planned. */
    public static Optional<String> objection(ReadableConfig session) {
        return session.get(ExecutionOptions.RUNTIME_MODE) == RuntimeExecutionMode.BATCH
                ? objection(PlannerLoader.calling())
                : Optional.empty();
    }

    static Optional<String> objection(ClassLoader planner) {
        try {
            Class.forName(NODE, false, planner);
            return Optional.empty();
        } catch (ClassNotFoundException e) {
            return Optional.of(
                    "This version of Flink plans ML_PREDICT in streaming mode only. Call the "
                            + "model as a function, m(x), or use Flink 2.3.");
        }
    }
}
