package io.github.pyflinktriton.catalog;

import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.CatalogFunction;
import org.apache.flink.table.factories.FunctionDefinitionFactory;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.functions.UserDefinedFunctionHelper;

/** Makes functions of models, and of the classes that users name, as Flink would. */
final class ModelFunctionDefinitionFactory implements FunctionDefinitionFactory {

    @Override
    public FunctionDefinition createFunctionDefinition(
            String name, CatalogFunction function, Context context) {
        if (function instanceof ModelCatalogFunction) {
            return ((ModelCatalogFunction) function).definition();
        }
        try {
            return UserDefinedFunctionHelper.instantiateFunction(
                    context.getClassLoader()
                            .loadClass(function.getClassName())
                            .asSubclass(UserDefinedFunction.class));
        } catch (ClassNotFoundException e) {
            throw new ValidationException(
                    String.format(
                            "The class '%s' of function '%s' is not on the class path.",
                            function.getClassName(), name),
                    e);
        }
    }
}
