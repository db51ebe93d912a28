"""What one kind of server speaks: what its errors mean, by statuses and phrases, and what it has and lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyflink_triton.protocol.failures import Cause


@dataclass(frozen=True)
class Dialect:
    """One kind of server.

    Attributes:
        server: Its name, as messages have it.
        causes: Status, a phrase of the server's text in lower case, and what both mean. The first match counts.
        hiding: Statuses by which servers and gateways refuse to be asked.
        unknown_model: A phrase by which the server itself says that it has no such model, in lower case.
        models: Statuses that a model's own errors may have, and that mean something else where the server says them:
            what the server says is in ``causes`` with a phrase.
        events: A phrase of an error in a stream of responses in lower case, and what it means. The first match counts;
            any other error is the row's.
        away: Statuses of a readiness check that say that the model, or all behind a gateway, is not there.
        has_extensions: Whether it has Triton's: the configuration of a model, and the index of all.
        answers_in_json: Whether a model may answer in JSON where binary outputs were asked for, and with an id of its
            own. Such a server is asked for binary outputs in each way that there is.
        lacks: What it does not have of what an option, by its key, is for.
        refusal: Why none of its models can be used; empty where they can.
    """

    server: str
    causes: Sequence[tuple[int, str, Cause]]
    hiding: frozenset[int]
    unknown_model: str
    away: frozenset[int]
    models: frozenset[int] = frozenset()
    events: Sequence[tuple[str, Cause]] = ()
    has_extensions: bool = False
    answers_in_json: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    def cause(self, status: int, text: str, is_protocols: bool) -> Cause:
        """Say what an error means.

        Args:
            status: Its status.
            text: What the server says.
            is_protocols: Whether it has the protocol's form.
        """
        lowered = text.lower()
        for known, phrase, cause in self.causes:
            if status == known and phrase in lowered:
                return Cause.MODEL_REFUSED if is_protocols and not phrase and status in self.models else cause
        if status >= 500:
            return Cause.SERVER_ERROR
        return Cause.CLIENT_ERROR if status >= 400 else Cause.UNEXPECTED

    def event_cause(self, text: str) -> Cause:
        """Say what an error in a stream of responses means.

        Args:
            text: What the server says.
        """
        lowered = text.lower()
        return next((cause for phrase, cause in self.events if phrase in lowered), Cause.ANSWERED_ERROR)

    def hides(self, status: int, text: str) -> bool:
        """Whether an error says nothing about the model, because something refuses to be asked."""
        return status in self.hiding and self.unknown_model not in text.lower()


TRITON = Dialect(
    server="Triton",
    causes=(
        (400, "stub process '", Cause.MODEL_CRASHED),
        (400, "must specify the start flag", Cause.SEQUENCE_NOT_STARTED),
        (400, "unexpected shape for input", Cause.BAD_SHAPE),
        (400, "unexpected deadlock", Cause.DEADLOCK),
        (400, "", Cause.BAD_REQUEST),
        (401, "", Cause.ACCESS_DENIED),
        (403, "", Cause.ACCESS_DENIED),
        (404, "has no available versions", Cause.NOT_LOADED),
        (404, "not at ready state", Cause.NOT_LOADED),
        (404, "unknown model", Cause.NOT_FOUND),
        (404, "", Cause.NOT_FOUND),
        (405, "", Cause.NOT_SUPPORTED),
        (408, "", Cause.REQUEST_TIMEOUT),
        (413, "", Cause.TOO_LARGE),
        (429, "", Cause.TOO_MANY_REQUESTS),
        (500, "unable to parse", Cause.UNPARSABLE),
        (500, "failed to parse", Cause.UNPARSABLE),
        (500, "stub process", Cause.MODEL_CRASHED),
        (500, "", Cause.MODEL_FAILED),
        (501, "decoupled", Cause.DECOUPLED),
        (501, "", Cause.NOT_SUPPORTED),
        (502, "", Cause.GATEWAY),
        (503, "not at ready state", Cause.NOT_LOADED),
        (503, "exceeds maximum queue size", Cause.TOO_MANY_REQUESTS),
        (503, "request timeout expired", Cause.TOO_MANY_REQUESTS),
        (503, "", Cause.UNAVAILABLE),
    ),
    hiding=frozenset({401, 403, 404, 405, 501}),
    unknown_model="unknown model",
    away=frozenset({400, 404, 502, 503, 504}),
    models=frozenset({404, 501}),
    events=(
        ("stub process '", Cause.MODEL_CRASHED),
        ("exceeds maximum queue size", Cause.TOO_MANY_REQUESTS),
        ("request timeout expired", Cause.TOO_MANY_REQUESTS),
        ("unable to allocate", Cause.SERVER_ERROR),
    ),
    has_extensions=True,
)
#: What the REST endpoint of kserve's Python server answers. While it shuts down it has no models.
KSERVE = Dialect(
    server="kserve",
    causes=(
        (400, "", Cause.BAD_REQUEST),
        (401, "", Cause.ACCESS_DENIED),
        (403, "", Cause.ACCESS_DENIED),
        (404, "does not exist", Cause.NOT_LOADED),
        (404, "", Cause.NOT_FOUND),
        (405, "", Cause.NOT_SUPPORTED),
        (408, "", Cause.REQUEST_TIMEOUT),
        (413, "", Cause.TOO_LARGE),
        (422, "", Cause.BAD_REQUEST),
        (429, "", Cause.TOO_MANY_REQUESTS),
        (500, "using utf-8", Cause.UNPARSABLE),
        (500, "", Cause.MODEL_FAILED),
        (501, "", Cause.NOT_SUPPORTED),
        (502, "", Cause.GATEWAY),
        (503, "is not ready", Cause.NOT_LOADED),
        (503, "", Cause.UNAVAILABLE),
    ),
    hiding=frozenset({401, 403, 404, 405}),
    unknown_model="does not exist",
    away=frozenset({404, 502, 503, 504}),
    answers_in_json=True,
    lacks={
        "model-version": "versions of a model",
        "priority": "priorities",
        "sequence-id": "sequences",
        "compression": "compressed requests",
        "responses": "streams of responses",
    },
)
#: MLServer, as far as it is told from others.
MLSERVER = replace(
    KSERVE, server="MLServer", refusal="takes tensors in JSON only, and this package sends them in binary form"
)
#: The kinds of server by the name that each gives of itself.
_DIALECTS: Mapping[str, Dialect] = {"triton": TRITON, "kserve": KSERVE, "mlserver": MLSERVER}


def dialect_of(metadata: Mapping[str, Any]) -> Dialect:
    """Say what kind of server it is; one that is not known is taken for Triton.

    Args:
        metadata: What it answers to ``GET /v2``.
    """
    return _DIALECTS.get(str(metadata.get("name")).lower(), TRITON)
