package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.FunctionLookup;

import org.apache.flink.table.catalog.CatalogFunction;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.ObjectPath;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.exceptions.CatalogException;
import org.apache.flink.table.catalog.exceptions.DatabaseNotExistException;
import org.apache.flink.table.catalog.exceptions.FunctionNotExistException;
import org.apache.flink.table.catalog.exceptions.ModelAlreadyExistException;
import org.apache.flink.table.catalog.exceptions.ModelNotExistException;
import org.apache.flink.table.factories.FunctionDefinitionFactory;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * An in-memory catalog that also shows the models of its server, and every model as a function. For
 * Flink only created models exist, so that a created model may take the name of one on the server.
 */
public final class TritonCatalog extends OwnModels {

    private final ModelFunctions functions;
    private final ServerModels server;

    TritonCatalog(String name, ModelFunctions functions) {
        super(name);
        this.functions = functions;
        this.server = functions.models();
    }

    @Override
    public List<String> listModels(String database) throws DatabaseNotExistException {
        Set<String> names = new TreeSet<>(super.listModels(database));
        if (hasServerModels(database)) {
            names.addAll(server.namesOrFail());
        }
        return List.copyOf(names);
    }

    /** Passes the warnings to Python, those of now and all later ones. */
    public void warn(Consumer<String> listener) {
        Log.listen(listener);
        functions.objection().ifPresent(Log::warn);
        server.names();
    }

    @Override
    public CatalogModel getModel(ObjectPath path) throws ModelNotExistException {
        if (modelExists(path)) {
            CatalogModel own = super.getModel(path);
            return ServerModels.isTriton(own)
                    ? own.copy(server.withDefaults(own.getOptions()))
                    : own;
        }
        if (isListed(path)) {
            return server.describe(path.getObjectName());
        }
        if (!hasServerModels(path.getDatabaseName())) {
            throw new ModelNotExistException(getName(), path);
        }
        Optional<String> unreachable = server.unreachable();
        if (unreachable.isPresent()) {
            throw new CatalogException(
                    String.format(
                            "Whether the server of '%s' has a model '%s' cannot be asked: %s",
                            getName(), path.getObjectName(), unreachable.get()));
        }
        throw new ModelNotExistException(getName(), path);
    }

    @Override
    public void createModel(ObjectPath path, CatalogModel model, boolean ignoreIfExists)
            throws ModelAlreadyExistException, DatabaseNotExistException {
        boolean isLeftAlone = modelExists(path) || !databaseExists(path.getDatabaseName());
        super.createModel(path, isLeftAlone ? model : completed(path, model), ignoreIfExists);
        if (!isLeftAlone) {
            warnOf(path, model);
        }
    }

    @Override
    public void alterModel(ObjectPath path, CatalogModel model, boolean ignoreIfNotExists)
            throws ModelNotExistException {
        refuseListed(path, "altered");
        boolean isLeftAlone = model == null || !modelExists(path) || !ServerModels.isTriton(model);
        super.alterModel(path, isLeftAlone ? model : completed(path, model), ignoreIfNotExists);
    }

    @Override
    public void dropModel(ObjectPath path, boolean ignoreIfNotExists)
            throws ModelNotExistException {
        refuseListed(path, "dropped");
        super.dropModel(path, ignoreIfNotExists);
    }

    @Override
    public void renameModel(ObjectPath path, String newName, boolean ignoreIfNotExists)
            throws ModelNotExistException, ModelAlreadyExistException {
        refuseListed(path, "renamed");
        CatalogModel model = modelExists(path) ? super.getModel(path) : null;
        super.renameModel(path, newName, ignoreIfNotExists);
        if (model != null) {
            warnOf(new ObjectPath(path.getDatabaseName(), newName), model);
        }
    }

    @Override
    public List<String> listFunctions(String database) throws DatabaseNotExistException {
        Set<String> names = new TreeSet<>(super.listFunctions(database));
        names.addAll(super.listModels(database));
        if (hasServerModels(database)) {
            names.addAll(server.names());
        }
        return List.copyOf(names);
    }

    /** A function that the user created comes before a model of its name. */
    @Override
    public CatalogFunction getFunction(ObjectPath path) throws FunctionNotExistException {
        if (functionExists(path)) {
            return super.getFunction(path);
        }
        if (!FunctionLookup.current().mayMeanModel(path.getObjectName())) {
            throw new FunctionNotExistException(getName(), path);
        }
        try {
            return modelFunction(path)
                    .orElseThrow(() -> new FunctionNotExistException(getName(), path));
        } catch (ModelNotExistException e) {
            throw new FunctionNotExistException(getName(), path, e);
        }
    }

    /** True for created functions only, so that a user may create one with the name of a model. */
    @Override
    public boolean functionExists(ObjectPath path) {
        try {
            super.getFunction(path);
            return true;
        } catch (FunctionNotExistException e) {
            return false;
        }
    }

    @Override
    public Optional<FunctionDefinitionFactory> getFunctionDefinitionFactory() {
        return Optional.of(new ModelFunctionDefinitionFactory());
    }

    private Optional<CatalogFunction> modelFunction(ObjectPath path)
            throws ModelNotExistException {
        Optional<ResolvedCatalogModel> temporary = temporary(path);
        if (temporary.isPresent()) {
            return temporary.filter(ServerModels::isTriton).map(model -> function(path, model));
        }
        // The server's model of exactly this name comes before a created one that differs in case.
        Optional<ObjectPath> created =
                created(path).filter(own -> own.equals(path) || !isListed(path));
        if (created.isPresent()) {
            CatalogModel model = getModel(created.get());
            return ServerModels.isTriton(model)
                    ? Optional.of(function(created.get(), (ResolvedCatalogModel) model))
                    : Optional.empty();
        }
        if (!hasServerModels(path.getDatabaseName())) {
            return Optional.empty();
        }
        return server.find(path.getObjectName())
                .map(name -> new ObjectPath(path.getDatabaseName(), name))
                .map(found -> function(found, server.describe(found.getObjectName())))
                .or(() -> functions.unknown(path.getObjectName()).map(ModelCatalogFunction::new));
    }

    private CatalogFunction function(ObjectPath path, ResolvedCatalogModel model) {
        return new ModelCatalogFunction(
                functions.define(getName() + "." + path.getFullName(), model));
    }

    @Override
    ResolvedCatalogModel whole(ObjectPath path, ResolvedCatalogModel model) {
        if (!ServerModels.isTriton(model)) {
            return model;
        }
        ResolvedCatalogModel whole = server.complete(path.getObjectName(), model);
        NameClashes.created(getName(), path, List.of());
        return (ResolvedCatalogModel) whole.copy(server.withDefaults(whole.getOptions()));
    }

    /** Asks Python for what the statement left out; Python checks the options too. */
    private CatalogModel completed(ObjectPath path, CatalogModel model) {
        return ServerModels.isTriton(model)
                ? server.complete(path.getObjectName(), (ResolvedCatalogModel) model)
                : model;
    }

    private void warnOf(ObjectPath path, CatalogModel model) {
        if (!ServerModels.isTriton(model)) {
            return;
        }
        Set<String> alike = new LinkedHashSet<>(alike(path));
        if (hasServerModels(path.getDatabaseName())) {
            server.lastNames().stream()
                    .filter(path.getObjectName()::equalsIgnoreCase)
                    .forEach(alike::add);
        }
        NameClashes.created(getName(), path, alike);
    }

    private void refuseListed(ObjectPath path, String what) {
        if (!modelExists(path) && isListed(path)) {
            throw new StatementException(
                    String.format(
                            "Model '%s' of catalog '%s' comes from its server and cannot be %s here. "
                                    + "A CREATE MODEL of that name makes one to use instead.",
                            path.getObjectName(), getName(), what));
        }
    }

    private boolean isListed(ObjectPath path) {
        return hasServerModels(path.getDatabaseName())
                && server.names().contains(path.getObjectName());
    }

    /** Whether the server's models are in this database; they are in one only. */
    private boolean hasServerModels(String database) {
        return database.equals(getDefaultDatabase());
    }
}
