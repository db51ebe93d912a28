package io.github.pyflinktriton.compat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;

/**
 * The parts of Flink's planner that a call of a model reads by reflection or adds to. They are
 * looked for before a model is called, because without one of them a call could get wrong types,
 * wrong options or no guard, and nothing would say so.
 */
public final class PlannerParts {

    private static final String PLANNER = "org.apache.flink.table.planner.";

    /** A field or a method of a class. */
    private static final List<String[]> MEMBERS =
            List.of(
                    new String[] {
                        "org.apache.flink.table.types.inference.utils.CastCallContext",
                        ArgumentTypes.ORIGINAL
                    },
                    new String[] {
                        PLANNER + "functions.inference.CallBindingCallContext$1",
                        StatementConfig.BINDING
                    },
                    new String[] {
                        PLANNER + "calcite.FlinkCalciteSqlValidator", StatementConfig.CLUSTER
                    },
                    new String[] {StatementConfig.SHORTCUTS, StatementConfig.UNWRAP},
                    new String[] {
                        PLANNER
                                + "typeutils.LogicalRelDataTypeConverter"
                                + "$LogicalToRelDataTypeConverter",
                        UncheckedType.FACTORY
                    });

    private static final Map<ClassLoader, Optional<String>> FOUND = new WeakHashMap<>();

    private PlannerParts() {}

    /** What to tell the user where the planner lacks a part. */
    public static Optional<String> objection() {
        return objection(PlannerLoader.calling());
    }

    static Optional<String> objection(ClassLoader planner) {
        synchronized (FOUND) {
            return FOUND.computeIfAbsent(planner, PlannerParts::missing)
                    .map(PlannerParts::refusal);
        }
    }

    /** What to tell the user where a part is another one. */
    static String refusal(String part) {
        return "A model cannot be a function with this version of Flink: its planner is not as it "
                + "is in Flink 2.3.0 ("
                + part
                + "). Use ML_PREDICT.";
    }

    private static Optional<String> missing(ClassLoader planner) {
        for (String[] member : MEMBERS) {
            try {
                if (!has(Class.forName(member[0], false, planner), member[1])) {
                    return Optional.of(member[0] + " has no " + member[1]);
                }
            } catch (ReflectiveOperationException | LinkageError e) {
                return Optional.of(RootCause.of(e).toString());
            }
        }
        return ModelPlans.hindrance(planner).map(reason -> RootCause.of(reason).toString());
    }

    private static boolean has(Class<?> type, String member) {
        return Arrays.stream(type.getDeclaredFields()).anyMatch(f -> f.getName().equals(member))
                || Arrays.stream(type.getMethods()).anyMatch(m -> m.getName().equals(member));
    }
}
