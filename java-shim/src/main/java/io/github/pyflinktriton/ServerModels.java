package io.github.pyflinktriton;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.api.TableException;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.ResolvedSchema;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;

/** The models that are ready on a catalog's server, as Python lists and describes them. */
final class ServerModels {

    /** The planner looks names up some 17 times per {@code m(x)}. */
    private static final long LISTED_FOR = Duration.ofSeconds(5).toNanos();

    private static final Set<String> PROVIDERS = Set.of("triton", "pyflink-triton");

    private final Map<String, String> defaults;
    private final PlanningWorker worker;
    private final LongSupplier clock;
    private final Map<String, ResolvedCatalogModel> described = new HashMap<>();
    private List<String> names = List.of();
    private String unreachable;
    private long listedAt;
    private boolean listed;

    ServerModels(Map<String, String> defaults, PlanningWorker worker, LongSupplier clock) {
        this.defaults = defaults;
        this.worker = worker;
        this.clock = clock;
    }

    /** Objects to options that no model could have; asks no server. */
    void checkDefaults() {
        worker.ask("defaults", withOptions(defaults));
    }

    synchronized List<String> names() {
        if (defaults.containsKey("endpoint")
                && (!listed || clock.getAsLong() - listedAt > LISTED_FOR)) {
            list();
        }
        return names;
    }

    /** The model of that name, else of that name ignoring case: Flink writes functions small. */
    Optional<String> find(String name) {
        List<String> listing = names();
        return listing.contains(name)
                ? Optional.of(name)
                : listing.stream().filter(name::equalsIgnoreCase).findFirst();
    }

    /** Why the server could not be asked for its models, where it could not. */
    synchronized Optional<String> unreachable() {
        names();
        return Optional.ofNullable(unreachable);
    }

    synchronized ResolvedCatalogModel describe(String name) {
        return described.computeIfAbsent(
                name,
                served -> {
                    Map<String, String> options = new LinkedHashMap<>(defaults);
                    options.put("provider", "pyflink-triton");
                    options.put("model-name", served);
                    ObjectNode question = withOptions(options).put("model", served);
                    return ModelSchemas.toModel(worker.ask("describe", question), options, null);
                });
    }

    /** Completes a model that somebody created with what its statement left out. */
    ResolvedCatalogModel complete(String name, ResolvedCatalogModel created) {
        ObjectNode question = withOptions(withDefaults(created.getOptions())).put("model", name);
        putColumns(question, "input", created.getResolvedInputSchema());
        putColumns(question, "output", created.getResolvedOutputSchema());
        Map<String, String> own = new LinkedHashMap<>(created.getOptions());
        own.entrySet().removeIf(defaults.entrySet()::contains);
        return ModelSchemas.toModel(worker.ask("describe", question), own, created.getComment());
    }

    private static void putColumns(ObjectNode question, String side, ResolvedSchema schema) {
        if (!schema.getColumns().isEmpty()) {
            question.set(side, ModelSchemas.toJson(ModelSchemas.toRowType(schema)));
        }
    }

    Map<String, String> withDefaults(Map<String, String> own) {
        Map<String, String> merged = new LinkedHashMap<>(defaults);
        merged.putAll(own);
        return merged;
    }

    static boolean isTritons(CatalogModel model) {
        return PROVIDERS.contains(model.getOptions().getOrDefault("provider", ""));
    }

    private void list() {
        described.clear();
        List<String> ready = new ArrayList<>();
        String failure = null;
        try {
            JsonNode answer = worker.ask("models", withOptions(defaults));
            answer.path("models").forEach(name -> ready.add(name.asText()));
        } catch (ValidationException | TableException e) {
            failure = e.getMessage();
            Log.LOG.warn("The server's models cannot be listed: {}", failure);
        }
        names = List.copyOf(ready);
        unreachable = failure;
        listed = true;
        listedAt = clock.getAsLong();
    }

    private static ObjectNode withOptions(Map<String, String> options) {
        Map<String, String> asked = new LinkedHashMap<>(options);
        asked.remove("provider");
        ObjectNode question = Frame.JSON.createObjectNode();
        question.set("options", Frame.JSON.valueToTree(asked));
        return question;
    }
}
