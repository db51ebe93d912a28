package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.compat.FlinkFunctions;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.module.Module;

import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Serves the models of a server as functions, whichever catalog is current. */
public final class TritonModule implements Module {

    private final ModelFunctions functions;

    TritonModule(ModelFunctions functions) {
        this.functions = functions;
    }

    @Override
    public Set<String> listFunctions() {
        return functions.models().names().stream()
                .filter(TritonModule::isServed)
                .collect(Collectors.toSet());
    }

    @Override
    public Optional<FunctionDefinition> getFunctionDefinition(String name) {
        return functions.models()
                .find(name)
                .filter(TritonModule::isServed)
                .map(found -> functions.defineInModule(found, functions.models().describe(found)));
    }

    /**
     * Where the core module has the name too, the order of modules decides. A name that only the
     * planner has must stay Flink's.
     */
    private static boolean isServed(String name) {
        return FlinkFunctions.isOfCore(name) || !FlinkFunctions.isOfPlanner(name);
    }
}
