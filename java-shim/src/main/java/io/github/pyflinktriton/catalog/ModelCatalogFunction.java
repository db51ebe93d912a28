package io.github.pyflinktriton.catalog;

import org.apache.flink.table.catalog.CatalogFunction;
import org.apache.flink.table.catalog.FunctionLanguage;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.resource.ResourceUri;

import java.util.List;
import java.util.Optional;

/** A model as a function, in the form in which a catalog returns functions. */
final class ModelCatalogFunction implements CatalogFunction {

    private final FunctionDefinition definition;

    ModelCatalogFunction(FunctionDefinition definition) {
        this.definition = definition;
    }

    FunctionDefinition definition() {
        return definition;
    }

    @Override
    public String getClassName() {
        return definition.getClass().getName();
    }

    @Override
    public CatalogFunction copy() {
        return this;
    }

    @Override
    public Optional<String> getDescription() {
        return Optional.of("A model as a function");
    }

    @Override
    public Optional<String> getDetailedDescription() {
        return getDescription();
    }

    @Override
    public FunctionLanguage getFunctionLanguage() {
        return FunctionLanguage.JAVA;
    }

    @Override
    public List<ResourceUri> getFunctionResources() {
        return List.of();
    }
}
