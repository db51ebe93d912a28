"""Every metric that a model has in Flink: its name, its type, its unit and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MetricType(Enum):
    """What a figure is, in Flink's words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class ErrorClass(Enum):
    """Why a call failed, as far as an alert tells reasons apart. Each class has a counter."""

    UNAVAILABLE = "no server or no model there (refused, no address, 404, 502)"
    TIMEOUT = "no response in time (also 408)"
    CONNECTION = "a connection, or a stream of responses, that broke"
    OVERLOAD = "a server that is too busy (429, 503)"
    REQUEST = "a request that the server refuses (400, 413 and other 4xx)"
    MODEL = "a model or a server that failed (500, 504, an error in a stream)"
    ACCESS = "credentials or TLS (401, 403, certificates)"
    PROTOCOL = "an answer that breaks the protocol or is too large, or a call that the server does not know (405, 501)"

    @property
    def metric(self) -> str:
        """The name of its counter."""
        return f"errors_{self.name.lower()}"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Its name in the operator's metric group.
        type: What it is.
        unit: What its values are.
        meaning: What it says, in a sentence for users.
    """

    name: str
    type: MetricType
    unit: str
    meaning: str


def _counter(name: str, unit: str, meaning: str) -> Metric:
    return Metric(name, MetricType.COUNTER, unit, meaning)


def _gauge(name: str, unit: str, meaning: str) -> Metric:
    return Metric(name, MetricType.GAUGE, unit, meaning)


def _histogram(name: str, unit: str, meaning: str) -> Metric:
    return Metric(name, MetricType.HISTOGRAM, unit, meaning)


_DECLARED = (
    _counter(
        "requests",
        "rows",
        "Rows that are done: `success` and `failure` together. Rows with a NULL, and `cache_hits`, are in none.",
    ),
    _counter("success", "rows", "Rows that the model answered."),
    _counter("failure", "rows", "Rows that failed in the end. A row that took its default is one of them."),
    _counter(
        "output_rows",
        "rows",
        "Rows that were given out: answers, defaults, messages in `error-column`, and `cache_hits`.",
    ),
    _counter("default_values", "rows", "Failed rows that took `default-value`."),
    _counter("null_rows", "rows", "Rows with a NULL for an input. They are NULL, and nothing is sent for them."),
    _counter(
        "rejected_rows", "rows", "Failed rows that were never sent, because a value does not fit what it is sent as."
    ),
    _counter(
        "cache_hits",
        "rows",
        "Rows that were not sent, because an equal row was; of an array that is a batch, its elements.",
    ),
    _counter("cache_misses", "rows", "Rows that were sent although there is a cache; of such an array, its elements."),
    _counter("http_requests", "calls", "Inference calls, those that sent a request again among them."),
    _counter("retries", "calls", "Calls that sent a request again."),
    *(_counter(each.metric, "calls", f"Failed calls: {each.value}.") for each in ErrorClass),
    _counter(
        "circuit_breaker_openings",
        "times",
        "How often a circuit breaker opened. One that opens again from half-open is still in the same outage.",
    ),
    _counter("sequences_lost", "sequences", "Sequences that the server lost before their end."),
    _counter("responses", "responses", "Responses in the streams of a decoupled model."),
    _counter("cancelled", "streams", "Streams that had begun and were ended here, and not by the server."),
    _counter("tokens", "tokens", "What the column that `tokens-column` names adds up to, without `cache_hits`."),
    _histogram("latency", "ms", "Time of a call, from its begin to the whole response or the failure."),
    _histogram(
        "queue_time",
        "ms",
        "Time from when the first row of a request came to the worker until the request was first sent.",
    ),
    _histogram("batch_size", "rows", "Rows of a call; of an array that is a batch, its elements."),
    _histogram("first_response_latency", "ms", "Time from a call to the first response of its stream."),
    _gauge("in_flight", "calls", "Calls under way."),
    _gauge("batch_limit", "rows", "Rows in a request at the most, at the endpoint that takes the fewest."),
    _gauge(
        "circuit_breaker_state",
        "state",
        "0 closed, 1 half-open, 2 open: the worst endpoint's. Only with `circuit-breaker-enabled`.",
    ),
    _gauge("cache_bytes", "bytes", "Size of the answers in the cache. Only with `cache-max-bytes`."),
    _gauge("live_sequences", "sequences", "Sequences that the server has. Only of a stateful model."),
    _gauge(
        "worker_memory",
        "bytes",
        "Resident memory of the Python process, with the memory that it shares with the task.",
    ),
    _counter("worker_cpu_time", "ms", "CPU time of the Python process, of all its threads."),
)
#: Every metric by its name, in the order of the documentation.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _DECLARED}


def names(type_: MetricType) -> tuple[str, ...]:
    """The names of all metrics of a type."""
    return tuple(metric.name for metric in _DECLARED if metric.type is type_)
