package io.github.pyflinktriton;

import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.module.Module;

import java.util.Optional;
import java.util.Set;

/** Serves a server's models as functions, whatever catalog is current. */
public final class TritonModule implements Module {

    private final ModelFunctions functions;

    TritonModule(ModelFunctions functions) {
        this.functions = functions;
    }

    @Override
    public Set<String> listFunctions() {
        return Set.copyOf(functions.models().names());
    }

    @Override
    public Optional<FunctionDefinition> getFunctionDefinition(String name) {
        return functions.models()
                .find(name)
                .map(found -> functions.define(found, functions.models().describe(found)));
    }
}
