package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.RefusedException;
import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Keeps the open requests, so that each reply reaches the one that it answers. */
final class PendingRequests {

    private static final int SHOWN_CHARS = 200;

    private final Map<Long, PendingRequest> open = new ConcurrentHashMap<>();

    void put(long id, String replyKind, ReplyHandler handler) {
        open.put(id, new PendingRequest(replyKind, handler));
    }

    void answer(Frame frame) throws ProtocolException {
        JsonNode header = frame.header;
        JsonNode id = header.path("id");
        PendingRequest request = id.isIntegralNumber() ? open.get(id.asLong()) : null;
        if (request == null) {
            throw new ProtocolException("a reply that no request waits for, with id " + shown(id));
        }
        if (frame.isError()) {
            request.handler.failed(new RefusedException(header.path("message").asText()));
        } else if (frame.kind().equals(request.replyKind)) {
            request.handler.reply(frame);
        } else {
            throw new ProtocolException("not '" + request.replyKind + "' but " + shown(header));
        }
        // Only now: if the reply is not of the protocol, the request must fail with the others.
        open.remove(id.asLong());
    }

    void fail(long id, WorkerException failure) {
        PendingRequest request = open.remove(id);
        if (request != null) {
            request.handler.failed(failure);
        }
    }

    void failAll(WorkerException failure) {
        open.keySet().forEach(id -> fail(id, failure));
    }

    private static String shown(JsonNode json) {
        String text = json.toString();
        return text.substring(0, Math.min(text.length(), SHOWN_CHARS));
    }

    private static final class PendingRequest {
        final String replyKind;
        final ReplyHandler handler;

        PendingRequest(String replyKind, ReplyHandler handler) {
            this.replyKind = replyKind;
            this.handler = handler;
        }
    }
}
