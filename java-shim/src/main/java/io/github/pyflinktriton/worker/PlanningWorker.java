package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.RefusedException;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.WorkerException;
import io.github.pyflinktriton.model.ModelCall;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.api.TableException;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;

/** Keeps one worker per Python for planning requests; an idle worker ends by itself. */
public final class PlanningWorker {

    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Map<WorkerCommand, PlanningWorker> WORKERS = new ConcurrentHashMap<>();

    private final WorkerCommand command;
    private WorkerClient client;

    private PlanningWorker(WorkerCommand command) {
        this.command = command;
    }

    public static PlanningWorker of(WorkerCommand command) {
        return WORKERS.computeIfAbsent(command, PlanningWorker::new);
    }

    /** Asks Python to check a call; the user reads what Python objects to. */
    public JsonNode check(ModelCall call) {
        return ask("check", call.toJson());
    }

    /**
     * Sends a planning request. A worker that needs variables of the environment for it answers
     * with their names; then a worker that has them is asked.
     */
    public JsonNode ask(String request, ObjectNode fields) {
        fields.put("kind", "plan").put("request", request);
        if (!command.variables.isEmpty()) {
            fields.set("environment", Json.MAPPER.valueToTree(command.variables));
        }
        JsonNode answer = ask(fields);
        List<String> wanted = ModelCall.environment(answer);
        return wanted.isEmpty() || wanted.equals(command.variables)
                ? answer
                : of(command.passing(wanted)).ask(request, fields);
    }

    private JsonNode ask(ObjectNode fields) {
        try {
            WorkerClient asked = living();
            try {
                return ask(asked, fields);
            } catch (RefusedException e) {
                throw e;
            } catch (WorkerException e) {
                // An idle worker may have ended while the request was on its way.
                if (hasLeft(asked, e)) {
                    return ask(living(), fields);
                }
                throw e;
            }
        } catch (RefusedException e) {
            throw new StatementException(e.getMessage());
        } catch (WorkerException e) {
            throw new TableException(e.getMessage(), e);
        }
    }

    private static boolean hasLeft(WorkerClient asked, WorkerException why) {
        return asked.failure().isDone() && !(why.getCause() instanceof TimeoutException);
    }

    private static JsonNode ask(WorkerClient asked, ObjectNode fields) {
        return asked.ask(fields, "answer", LIMIT).path("answer");
    }

    private synchronized WorkerClient living() {
        if (client == null || client.failure().isDone()) {
            client =
                    WorkerClient.start(
                            "planning", command, WorkerClient.SILENCE_LIMIT, metrics -> {});
        }
        return client;
    }
}
