package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;

import org.apache.flink.table.module.CoreModule;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.WeakHashMap;

/**
 * The names of Flink's functions: those of its core module and those of its planner's operators.
 * Where the planner's cannot be read, a module is refused, and a catalog warns: it then cannot tell
 * a model that is named like one of them.
 */
public final class FlinkFunctions {

    private static final String OPERATORS =
            "org.apache.flink.table.planner.functions.sql.FlinkSqlOperatorTable";

    private static final String FUNCTION = "org.apache.calcite.sql.SqlFunction";

    /** Each job may bring its own planner. */
    private static final Map<ClassLoader, Set<String>> OF_PLANNERS = new WeakHashMap<>();

    private FlinkFunctions() {}

    /**
     * Whether a call of this name without a catalog is a call of a function of Flink; case is
     * ignored.
     */
    public static boolean has(String name) {
        return isOfCore(name) || isOfPlanner(name);
    }

    /**
     * Flink asks its core module before all catalogs, and among modules in the order of USE
     * MODULES.
     */
    public static boolean isOfCore(String name) {
        return Core.NAMES.contains(upper(name));
    }

    /** The planner adds these functions to those of modules and catalogs. */
    public static boolean isOfPlanner(String name) {
        synchronized (OF_PLANNERS) {
            return OF_PLANNERS
                    .computeIfAbsent(PlannerLoader.ofSessions(), FlinkFunctions::ofPlanner)
                    .contains(upper(name));
        }
    }

    private static String upper(String name) {
        return name.toUpperCase(Locale.ROOT);
    }

    private static final class Core {

        static final Set<String> NAMES = new TreeSet<>();

        static {
            // With hidden functions, because Flink finds them.
            CoreModule.INSTANCE.listFunctions(true).forEach(name -> NAMES.add(upper(name)));
        }
    }

    private static Set<String> ofPlanner(ClassLoader planner) {
        Set<String> names = new TreeSet<>();
        objection(planner, names).ifPresent(Log::warn);
        return names;
    }

    /** What to tell the user where the names cannot be read. */
    public static Optional<String> objection() {
        return objection(PlannerLoader.ofSessions(), new TreeSet<>());
    }

    static Optional<String> objection(ClassLoader planner, Set<String> names) {
        try {
            read(planner, names);
            return Optional.empty();
        } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
            return Optional.of(
                    "The names of Flink's functions cannot be read from its planner, because it is "
                            + "not as it is in Flink 2.3.0 ("
                            + RootCause.of(e)
                            + "). A model may have the name of one of them. Call models by their "
                            + "full names in a catalog of the type 'triton'.");
        }
    }

    private static void read(ClassLoader planner, Set<String> names)
            throws ReflectiveOperationException {
        Class<?> table = Class.forName(OPERATORS, true, planner);
        Class<?> function = Class.forName(FUNCTION, false, planner);
        for (boolean isBatch : new boolean[] {false, true}) {
            Object instance = table.getMethod("instance", boolean.class).invoke(null, isBatch);
            Object operators = table.getMethod("getOperatorList").invoke(instance);
            for (Object operator : (Collection<?>) operators) {
                if (function.isInstance(operator)
                        || read(operator, "getSyntax").toString().equals("FUNCTION")) {
                    names.add(upper((String) read(operator, "getName")));
                }
            }
        }
    }

    private static Object read(Object operator, String property)
            throws ReflectiveOperationException {
        return operator.getClass().getMethod(property).invoke(operator);
    }
}
