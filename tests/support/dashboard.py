"""Grafana's dashboard, as a declaration: its rows, panels and queries.

Run this file as a program (`make pages`) to write the JSON that Grafana reads. A test asks each query of a Prometheus
that scrapes a live cluster; `pictures.py` draws the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from places import ROOT
from prometheus import PREFIX

from pyflink_triton.metric_table import ErrorClass

FILE = ROOT / "docker" / "grafana" / "dashboards" / "pyflink-triton.json"
#: What stands for Grafana's variables where Grafana is not there to fill them in.
ANY = {"$__rate_interval": "30s", "$job": ".*", "$model": ".*"}
_COLUMNS = 24
_JOB = 'job_name=~"$job"'
_MODEL = 'model=~"$model"'
_OPERATOR = "job_name, operator_name"
_QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


@dataclass(frozen=True)
class Query:
    """A line of a panel, or a few that differ by their labels.

    Attributes:
        promql: What Prometheus is asked, with Grafana's variables.
        legend: The name of each line, with labels in braces.
        needs: What the server must have for an answer; empty where each has it.
    """

    promql: str
    legend: str
    needs: str = ""

    @property
    def filled(self) -> str:
        """The query with a value for each variable."""
        text = self.promql
        for variable, value in ANY.items():
            text = text.replace(variable, value)
        return text


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: Its title.
        meaning: What it shows and what to do about it, for the sign beside the title.
        queries: What it shows.
        axis: What the values count; empty for what the unit says.
        unit: Grafana's name for how to write a value.
        is_number: Whether it shows the last value alone, as a number.
        words: What values are called, where they are states.
    """

    title: str
    meaning: str
    queries: tuple[Query, ...]
    axis: str = ""
    unit: str = "short"
    is_number: bool = False
    words: Mapping[int, str] | None = None


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


def _metric(name: str, condition: str = _JOB) -> str:
    return f"{PREFIX}{name}{{{condition}}}"


def _rate(name: str) -> str:
    """What a counter of the operators grows by in a second, for each operator of a job."""
    return f"sum by ({_OPERATOR}) (rate({_metric(name)}[$__rate_interval]))"


def _total(name: str) -> str:
    return f"sum(rate({_metric(name)}[$__rate_interval]))"


def _gauge(name: str, how: str = "sum") -> str:
    return f"{how} by ({_OPERATOR}) ({_metric(name)})"


def _quantile(name: str, quantile: str, short: str, by: str = _OPERATOR) -> str:
    """The worst subtask's: a label of the shim's histogram, or a gauge of PyFlink's functions."""
    of_shim = _metric(name, f'quantile="{quantile}",{_JOB}')
    return f"max by ({by}) ({of_shim} or {_metric(f'{name}_{short}')})"


def _quantiles(name: str) -> tuple[Query, ...]:
    return tuple(
        Query(_quantile(name, quantile, short), f"{short} {{{{job_name}}}} {{{{operator_name}}}}")
        for quantile, short in _QUANTILES
    )


def _of_triton(name: str, by: str = "model") -> str:
    return f"sum by ({by}) (rate({name}{{{_MODEL}}}[$__rate_interval]))"


def _milliseconds(part: str) -> str:
    """What a part of a request takes at the server, on average over the requests that were answered."""
    requests = f"sum by (model) (rate(nv_inference_request_success{{{_MODEL}}}[$__rate_interval]))"
    return f"{_of_triton(f'nv_inference_{part}_duration_us')} / ({requests} > 0) / 1000"


_NAMED = "{{job_name}} {{operator_name}}"

ROWS = (
    Row(
        "Now",
        (
            Panel("Rows a second", "Rows that are done.", (Query(_total("requests"), "rows"),), is_number=True),
            Panel("Requests a second", "Calls.", (Query(_total("http_requests"), "requests"),), is_number=True),
            Panel(
                "Rows that fail",
                "The share of the rows that are done. A row that took its default is one that failed.",
                (Query(f"{_total('failure')} / ({_total('requests')} > 0)", "share"),),
                unit="percentunit",
                is_number=True,
            ),
            Panel(
                "Latency, p95",
                "Of a call, at the slowest subtask.",
                (Query(f"max({_quantile('latency', '0.95', 'p95')})", "p95"),),
                unit="ms",
                is_number=True,
            ),
            Panel(
                "Circuit breakers",
                "The worst one's state. Only models with circuit-breaker-enabled have one.",
                (Query(f"max({_metric('circuit_breaker_state')})", "state"),),
                is_number=True,
                words={0: "closed", 1: "half-open", 2: "open"},
            ),
            Panel(
                "Sequences lost",
                "In the last minutes: idle for too long, or the server restarted.",
                (Query(f"sum(increase({_metric('sequences_lost')}[$__rate_interval]))", "sequences"),),
                is_number=True,
            ),
        ),
    ),
    Row(
        "Rows and requests",
        (
            Panel(
                "Rows a second",
                "Rows that are done, answered or failed, for each operator.",
                (Query(_rate("requests"), _NAMED),),
                "rows/s",
            ),
            Panel(
                "Requests a second", "Calls, and those again.", (Query(_rate("http_requests"), _NAMED),), "requests/s"
            ),
            Panel(
                "Rows a request",
                "The median, and the most that the endpoint takes. Far below it on a busy job: give the operator more"
                " rows at once.",
                (
                    Query(_quantile("batch_size", "0.5", "p50"), f"p50 {_NAMED}"),
                    Query(_gauge("batch_limit", "max"), f"limit {_NAMED}"),
                ),
                "rows",
            ),
            Panel(
                "Requests in flight",
                "Calls under way, of all subtasks.",
                (Query(_gauge("in_flight"), _NAMED),),
                "requests",
            ),
            Panel(
                "NULL rows, and rows that were never sent",
                "A NULL needs no call. A rejected row has a value that does not fit.",
                (
                    Query(_rate("null_rows"), f"NULL {_NAMED}"),
                    Query(_rate("rejected_rows"), f"rejected {_NAMED}"),
                ),
                "rows/s",
            ),
            Panel(
                "Back pressure",
                "The share of a second that the busiest subtask of a task had to wait for what is behind it.",
                (
                    Query(
                        "max by (job_name, task_name)"
                        f" (flink_taskmanager_job_task_backPressuredTimeMsPerSecond{{{_JOB}}}) / 1000",
                        "{{job_name}} {{task_name}}",
                    ),
                ),
                unit="percentunit",
            ),
        ),
    ),
    Row(
        "Time",
        (
            Panel(
                "Latency of a request",
                "From the begin of a call to its end, the slowest subtask's. Beside Triton's own times below: what is"
                " left is the network.",
                _quantiles("latency"),
                unit="ms",
            ),
            Panel(
                "Time in the worker's queue",
                "From a request's first row to when it is sent. It grows when the server cannot keep up.",
                _quantiles("queue_time"),
                unit="ms",
            ),
            Panel(
                "Time to the first response of a stream",
                "Of a decoupled model, such as a language model.",
                _quantiles("first_response_latency"),
                unit="ms",
            ),
        ),
    ),
    Row(
        "Failures",
        (
            Panel(
                "Failed calls by class",
                "A failed call is sent again where that may help. docs/metrics.md has the classes.",
                tuple(Query(_total(each.metric), each.name.lower()) for each in ErrorClass),
                "calls/s",
            ),
            Panel(
                "Rows that failed, and their defaults",
                "A row that took its default-value has failed, too.",
                (
                    Query(_rate("failure"), f"failed {_NAMED}"),
                    Query(_rate("default_values"), f"default {_NAMED}"),
                ),
                "rows/s",
            ),
            Panel("Retries", "Calls that sent a request again.", (Query(_rate("retries"), _NAMED),), "calls/s"),
            Panel(
                "Circuit breakers",
                "The worst endpoint's of each model. While one is open, rows wait or take their default.",
                (Query(_gauge("circuit_breaker_state", "max"), _NAMED),),
                words={0: "closed", 1: "half-open", 2: "open"},
            ),
            Panel(
                "Circuit breakers that opened",
                "Once for each outage, and once for each time that half-open failed.",
                (
                    Query(
                        f"sum by ({_OPERATOR}) (increase({_metric('circuit_breaker_openings')}[$__rate_interval]))",
                        _NAMED,
                    ),
                ),
                "times",
            ),
            Panel(
                "Restarts of the job",
                "By Flink, since the JobManager started.",
                (
                    Query(
                        f"max by (job_name) (flink_jobmanager_job_numRestarts{{{_JOB}}})",
                        "{{job_name}}",
                    ),
                ),
                "restarts",
            ),
        ),
    ),
    Row(
        "Streams and sequences",
        (
            Panel(
                "Responses a second",
                "Of decoupled models, and the streams that were ended here before the server did.",
                (
                    Query(_rate("responses"), f"responses {_NAMED}"),
                    Query(_rate("cancelled"), f"cancelled {_NAMED}"),
                ),
                "a second",
            ),
            Panel("Tokens a second", "Where tokens-column is set.", (Query(_rate("tokens"), _NAMED),), "tokens/s"),
            Panel(
                "Sequences",
                "Those of stateful models that the server has, and those that it lost since the last point.",
                (
                    Query(_gauge("live_sequences"), f"live {_NAMED}"),
                    Query(
                        f"sum by ({_OPERATOR}) (increase({_metric('sequences_lost')}[$__rate_interval]))",
                        f"lost {_NAMED}",
                    ),
                ),
                "sequences",
            ),
        ),
    ),
    Row(
        "Cache",
        (
            Panel(
                "Rows that come again",
                "Where cache-max-bytes is set: rows that a kept answer has answered, and those that had none.",
                (
                    Query(_rate("cache_hits"), f"hits {_NAMED}"),
                    Query(_rate("cache_misses"), f"misses {_NAMED}"),
                ),
                "rows/s",
            ),
            Panel("Answers kept", "Where cache-max-bytes is set.", (Query(_gauge("cache_bytes"), _NAMED),), "bytes"),
        ),
    ),
    Row(
        "Python workers",
        (
            Panel(
                "CPU of the Python processes",
                "A worker that takes a whole core is full: raise the parallelism.",
                (Query(f"{_rate('worker_cpu_time')} / 1000", _NAMED),),
                "cores",
            ),
            Panel(
                "Memory of the Python processes",
                "Outside Flink's own: it has to fit beside taskmanager.memory.process.size.",
                (Query(_gauge("worker_memory"), _NAMED),),
                unit="bytes",
            ),
            Panel(
                "What Prometheus reaches",
                "Processes of Flink and servers that give their metrics.",
                (Query('sum by (job) (up{job=~"(.*/)?(flink|triton)"})', "{{job}}"),),
                "targets",
            ),
        ),
    ),
    Row(
        "Triton",
        (
            Panel(
                "Requests at the server",
                "All clients' together. Those that failed have a reason.",
                (
                    Query(_of_triton("nv_inference_request_success"), "{{model}}"),
                    Query(_of_triton("nv_inference_request_failure", "model, reason"), "{{model}} failed: {{reason}}"),
                ),
                "requests/s",
            ),
            Panel(
                "Rows an execution",
                "Above the rows of a request: the server joins requests itself (dynamic batching).",
                (
                    Query(
                        f"{_of_triton('nv_inference_count')} / ({_of_triton('nv_inference_exec_count')} > 0)",
                        "{{model}}",
                    ),
                ),
                "rows",
            ),
            Panel(
                "Requests that wait at the server",
                "Not yet at an instance of the model.",
                (Query(f"sum by (model) (nv_inference_pending_request_count{{{_MODEL}}})", "{{model}}"),),
                "requests",
            ),
            Panel(
                "Time of a request at the server",
                "On average: in the model's queue, and in the model. A long queue: more instances, or another server.",
                (
                    Query(_milliseconds("queue"), "queue {{model}}"),
                    Query(_milliseconds("compute_infer"), "model {{model}}"),
                ),
                unit="ms",
            ),
            Panel(
                "Processors of the server",
                "The share that is busy, of all in the machine.",
                (
                    Query("max by (instance) (nv_cpu_utilization)", "CPU {{instance}}"),
                    Query("max by (instance, gpu_uuid) (nv_gpu_utilization)", "GPU {{gpu_uuid}}", needs="a GPU"),
                ),
                unit="percentunit",
            ),
            Panel(
                "Memory of the server",
                "The whole machine's, and each GPU's.",
                (
                    Query("max by (instance) (nv_cpu_memory_used_bytes)", "RAM {{instance}}"),
                    Query("max by (instance, gpu_uuid) (nv_gpu_memory_used_bytes)", "GPU {{gpu_uuid}}", needs="a GPU"),
                ),
                unit="bytes",
            ),
        ),
    ),
)


def panels() -> Iterator[Panel]:
    """All panels, from the top down."""
    for row in ROWS:
        yield from row.panels


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "pyflink-triton",
        "title": "pyflink-triton",
        "description": "Written by `make pages` from tests/support/dashboard.py. No Grafana has shown it where it was"
        " made: a test asks each query of a Prometheus that scrapes live jobs.",
        "tags": ["flink", "triton"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(_laid_out()),
    }


def as_json() -> str:
    """The text of the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return [
        source,
        _variable("job", "Job", f"label_values({PREFIX}requests, job_name)"),
        _variable("model", "Model", "label_values(nv_inference_count, model)"),
    ]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _laid_out() -> Iterator[dict[str, Any]]:
    """Each row's heading, and its panels below it from left to right."""
    top, number = 0, 1
    for row in ROWS:
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        top, number, left = top + 1, number + 1, 0
        for panel in row.panels:
            width, height = (4, 4) if panel.is_number else (8, 8)
            yield _shown(panel, number, {"x": left, "y": top, "w": width, "h": height})
            number, left = number + 1, left + width
            if left == _COLUMNS or panel is row.panels[-1]:
                left, top = 0, top + height


def _shown(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.words:
        words = {str(value): {"text": text, "index": value} for value, text in panel.words.items()}
        defaults["mappings"] = [{"type": "value", "options": words}]
    shown: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
    if panel.is_number:
        shown = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "graphMode": "area"}
    elif panel.axis:
        defaults["custom"] = {"axisLabel": panel.axis}
    return {
        "id": number,
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": shown,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": each.promql, "legendFormat": each.legend}
            for index, each in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    FILE.write_text(as_json())
