package io.github.pyflinktriton.catalog;

import org.apache.flink.table.catalog.CatalogBaseTable;
import org.apache.flink.table.catalog.CatalogFunction;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.GenericInMemoryCatalog;
import org.apache.flink.table.catalog.ObjectPath;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.TemporaryOperationListener;
import org.apache.flink.table.catalog.exceptions.DatabaseNotExistException;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** Keeps the models that statements create, and the temporary ones, which Flink keeps elsewhere. */
abstract class OwnModels extends GenericInMemoryCatalog
        implements TemporaryOperationListener {

    private final Map<ObjectPath, ResolvedCatalogModel> models = new ConcurrentHashMap<>();

    OwnModels(String name) {
        super(name);
    }

    /** Completes a model that a statement creates. */
    abstract ResolvedCatalogModel whole(ObjectPath path, ResolvedCatalogModel model);

    /** Finds a created model of this name, else one whose name differs in case only. */
    final Optional<ObjectPath> created(ObjectPath path) {
        List<String> alike = alike(path);
        return (alike.contains(path.getObjectName())
                        ? Optional.of(path.getObjectName())
                        : alike.stream().findFirst())
                .map(name -> new ObjectPath(path.getDatabaseName(), name));
    }

    /** Lists the created models whose names are equal but for case, sorted. */
    final List<String> alike(ObjectPath path) {
        try {
            return super.listModels(path.getDatabaseName()).stream()
                    .filter(path.getObjectName()::equalsIgnoreCase)
                    .sorted()
                    .collect(Collectors.toList());
        } catch (DatabaseNotExistException e) {
            return List.of();
        }
    }

    /** Finds a temporary model of this name, else one whose name differs in case only. */
    final Optional<ResolvedCatalogModel> temporary(ObjectPath path) {
        ResolvedCatalogModel exact = models.get(path);
        if (exact != null) {
            return Optional.of(exact);
        }
        String name = path.getFullName();
        return models.entrySet().stream()
                .filter(entry -> entry.getKey().getFullName().equalsIgnoreCase(name))
                .min(Comparator.comparing(entry -> entry.getKey().getFullName()))
                .map(Map.Entry::getValue);
    }

    @Override
    public final CatalogModel onCreateTemporaryModel(ObjectPath path, CatalogModel model) {
        ResolvedCatalogModel whole = whole(path, (ResolvedCatalogModel) model);
        models.put(path, whole);
        return whole;
    }

    @Override
    public final void onDropTemporaryModel(ObjectPath path) {
        models.remove(path);
    }

    @Override
    public final CatalogBaseTable onCreateTemporaryTable(ObjectPath path, CatalogBaseTable table) {
        return table;
    }

    @Override
    public final void onDropTemporaryTable(ObjectPath path) {}

    @Override
    public final CatalogFunction onCreateTemporaryFunction(
            ObjectPath path, CatalogFunction function) {
        return function;
    }

    @Override
    public final void onDropTemporaryFunction(ObjectPath path) {}
}
