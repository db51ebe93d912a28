package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.compat.FlinkFunctions;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.module.Module;

import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Serves a server's models as functions, whatever catalog is current. */
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

    /** Where the core module has a name too, their order decides; else Flink's has to be left. */
    private static boolean isServed(String name) {
        return FlinkFunctions.isOfCore(name) || !FlinkFunctions.isOfPlanner(name);
    }
}
