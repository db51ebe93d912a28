package io.github.pyflinktriton.catalog;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.model.ModelSchemas;
import io.github.pyflinktriton.worker.PlanningWorker;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.api.TableException;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.ResolvedCatalogModel;
import org.apache.flink.table.catalog.ResolvedSchema;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** The models that are ready on a catalog's server, as Python lists and describes them. */
final class ServerModels {

    /** The planner looks a name up about 17 times for one {@code m(x)}. */
    private static final long LISTED_FOR = Duration.ofSeconds(5).toNanos();

    /** A failed listing is kept this many times as long as it took, within these bounds. */
    private static final int FAILED_FOR_TIMES = 10;

    private static final long FAILED_FOR_AT_MOST = Duration.ofSeconds(60).toNanos();

    private static final Set<String> PROVIDERS = Set.of("triton", "pyflink-triton");

    private final Map<String, String> defaults;
    private final PlanningWorker worker;
    private final LongSupplier clock;
    private final Consumer<List<String>> onListed;
    private final ReentrantLock asking = new ReentrantLock();
    private volatile Listing last;

    ServerModels(
            Map<String, String> defaults,
            PlanningWorker worker,
            LongSupplier clock,
            Consumer<List<String>> onListed) {
        this.defaults = defaults;
        this.worker = worker;
        this.clock = clock;
        this.onListed = onListed;
    }

    /** Refuses options that no model could have, without a request to the server. */
    void checkDefaults() {
        worker.ask("defaults", withOptions(defaults));
    }

    /** Empty where the server cannot be asked, so that a look-up does not fail. */
    List<String> names() {
        return listing().names;
    }

    /**
     * For a user who asks for the list: an earlier failure is not reported again, the server is
     * asked.
     */
    List<String> namesOrFail() {
        Listing known = last;
        Listing listing =
                isKept(known) && known.failure != null ? list(known) : listing();
        if (listing.failure != null) {
            throw new StatementException(
                    "The server's models cannot be listed: " + listing.failure);
        }
        return listing.names;
    }

    /** The names of the last answer, however old it is. */
    List<String> lastNames() {
        Listing known = last;
        return known == null ? List.of() : known.names;
    }

    /**
     * Finds the model of that name, else one whose name differs in case only, because Flink turns
     * the names of functions to lower case.
     */
    Optional<String> find(String name) {
        List<String> listing = names();
        return listing.contains(name)
                ? Optional.of(name)
                : listing.stream().filter(name::equalsIgnoreCase).findFirst();
    }

    /** The reason why the server could not be asked; empty where it was. */
    Optional<String> unreachable() {
        Listing listing = listing();
        return Optional.ofNullable(listing.failure)
                .map(reason -> reason + " " + listing.keptFor());
    }

    ResolvedCatalogModel describe(String name) {
        return listing().described.computeIfAbsent(
                name,
                served -> {
                    Map<String, String> options = new LinkedHashMap<>(defaults);
                    options.put("provider", "pyflink-triton");
                    options.put("model-name", served);
                    ObjectNode request = withOptions(options).put("model", served);
                    return ModelSchemas.toModel(worker.ask("describe", request), options, null);
                });
    }

    /** Adds to a created model what its statement left out. */
    ResolvedCatalogModel complete(String name, ResolvedCatalogModel created) {
        ObjectNode request = withOptions(withDefaults(created.getOptions())).put("model", name);
        putColumns(request, "input", created.getResolvedInputSchema());
        putColumns(request, "output", created.getResolvedOutputSchema());
        Map<String, String> own = new LinkedHashMap<>(created.getOptions());
        own.entrySet().removeIf(defaults.entrySet()::contains);
        return ModelSchemas.toModel(worker.ask("describe", request), own, created.getComment());
    }

    private static void putColumns(ObjectNode request, String side, ResolvedSchema schema) {
        if (!schema.getColumns().isEmpty()) {
            request.set(side, ModelSchemas.toJson(ModelSchemas.toRowType(schema)));
        }
    }

    Map<String, String> withDefaults(Map<String, String> own) {
        Map<String, String> merged = new LinkedHashMap<>(defaults);
        merged.putAll(own);
        return merged;
    }

    static boolean isTriton(CatalogModel model) {
        return PROVIDERS.contains(model.getOptions().getOrDefault("provider", ""));
    }

    private Listing listing() {
        Listing known = last;
        return isKept(known) ? known : list(known);
    }

    private boolean isKept(Listing listing) {
        return listing != null && clock.getAsLong() - listing.madeAt <= listing.keptFor;
    }

    /**
     * Asks the server, or waits for a thread that asks. A thread that finds an earlier failure does
     * not wait.
     */
    private Listing list(Listing known) {
        if (!asking.tryLock()) {
            if (known != null && known.failure != null) {
                return known;
            }
            asking.lock();
        }
        try {
            if (last == known || !isKept(last)) {
                last = defaults.containsKey("endpoint") ? ask() : new Listing(List.of(), null, 0);
            }
        } finally {
            asking.unlock();
        }
        return last;
    }

    private Listing ask() {
        long begin = clock.getAsLong();
        try {
            List<String> ready = new ArrayList<>();
            JsonNode answer = worker.ask("models", withOptions(defaults));
            answer.path("models").forEach(name -> ready.add(name.asText()));
            onListed.accept(ready);
            return new Listing(List.copyOf(ready), null, 0);
        } catch (ValidationException | TableException e) {
            String reason = e.getMessage().endsWith(".") ? e.getMessage() : e.getMessage() + ".";
            Listing failed = new Listing(List.of(), reason, clock.getAsLong() - begin);
            Log.warn(
                    "The server's models cannot be listed: "
                            + failed.failure
                            + " "
                            + failed.keptFor());
            return failed;
        }
    }

    private static ObjectNode withOptions(Map<String, String> options) {
        Map<String, String> asked = new LinkedHashMap<>(options);
        asked.remove("provider");
        ObjectNode request = Json.MAPPER.createObjectNode();
        request.set("options", Json.MAPPER.valueToTree(asked));
        return request;
    }

    /** The answer of the server, or the reason why there is none, and how long it is kept. */
    private final class Listing {

        final List<String> names;
        final String failure;
        final long madeAt = clock.getAsLong();
        final long keptFor;
        final Map<String, ResolvedCatalogModel> described = new ConcurrentHashMap<>();

        Listing(List<String> names, String failure, long took) {
            this.names = names;
            this.failure = failure;
            long wanted = Math.max(LISTED_FOR, FAILED_FOR_TIMES * took);
            this.keptFor = failure == null ? LISTED_FOR : Math.min(wanted, FAILED_FOR_AT_MOST);
        }

        String keptFor() {
            return String.format(
                    "The server is asked again after %d s, or by SHOW MODELS.",
                    Duration.ofNanos(keptFor).toSeconds());
        }
    }
}
