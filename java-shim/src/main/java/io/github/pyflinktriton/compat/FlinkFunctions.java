package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.Log;

import org.apache.flink.table.module.CoreModule;

import java.util.Collection;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/**
 * The names of Flink's own functions: of its core module, and of its planner's operators. Where the
 * planner's cannot be read, nobody is warned of a model that is named like one of them, and the
 * server is asked for more names than could be models.
 */
public final class FlinkFunctions {

    private static final String OPERATORS =
            "org.apache.flink.table.planner.functions.sql.FlinkSqlOperatorTable";

    private static final String FUNCTION = "org.apache.calcite.sql.SqlFunction";

    private FlinkFunctions() {}

    /** A name that a call without a catalog's name means as Flink's, in whatever letters. */
    public static boolean has(String name) {
        return isOfCore(name) || isOfPlanner(name);
    }

    /** Flink asks its core module before any catalog, and in the order of USE MODULES. */
    public static boolean isOfCore(String name) {
        return Core.NAMES.contains(upper(name));
    }

    /** These are no module's: Flink adds them to what modules and catalogs answer. */
    public static boolean isOfPlanner(String name) {
        return Planner.NAMES.contains(upper(name));
    }

    private static String upper(String name) {
        return name.toUpperCase(Locale.ROOT);
    }

    private static final class Core {

        static final Set<String> NAMES = new TreeSet<>();

        static {
            // Hidden ones, too: Flink finds them.
            CoreModule.INSTANCE.listFunctions(true).forEach(name -> NAMES.add(upper(name)));
        }
    }

    private static final class Planner {

        static final Set<String> NAMES = new TreeSet<>();

        static {
            try {
                read(PlannerLoader.ofSessions());
            } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
                Log.LOG.debug("The names of the functions of Flink's planner cannot be read.", e);
            }
        }

        private static void read(ClassLoader loader) throws ReflectiveOperationException {
            Class<?> table = Class.forName(OPERATORS, true, loader);
            Class<?> function = Class.forName(FUNCTION, false, loader);
            for (boolean isBatch : new boolean[] {false, true}) {
                Object instance = table.getMethod("instance", boolean.class).invoke(null, isBatch);
                Object operators = table.getMethod("getOperatorList").invoke(instance);
                for (Object operator : (Collection<?>) operators) {
                    if (function.isInstance(operator)
                            || read(operator, "getSyntax").toString().equals("FUNCTION")) {
                        NAMES.add(upper((String) read(operator, "getName")));
                    }
                }
            }
        }

        private static Object read(Object operator, String property)
                throws ReflectiveOperationException {
            return operator.getClass().getMethod(property).invoke(operator);
        }
    }
}
