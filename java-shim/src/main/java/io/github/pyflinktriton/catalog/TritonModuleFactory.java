package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.FlinkFunctions;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.factories.ModuleFactory;
import org.apache.flink.table.module.Module;

import java.util.Set;

/** Makes {@code LOAD MODULE triton WITH ('endpoint' = ...)}; Python checks the options. */
public final class TritonModuleFactory implements ModuleFactory {

    @Override
    public String factoryIdentifier() {
        return "triton";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public Module createModule(Context context) {
        StatementException.throwIfPresent(FlinkFunctions.objection());
        return new TritonModule(
                ModelFunctions.of(
                        context.getOptions(),
                        context.getConfiguration(),
                        NameClashes.inModule()));
    }
}
