"""What the image and the compose files lay out, without containers, and the dashboard over jobs that run in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import TASK_MANAGERS
from dashboard import Panel, Query, panels
from prometheus import PREFIX, NoPrometheus
from stack import Stack, running_stack
from waiting import wait_for

#: Panels of what does not happen to these jobs, or for a moment only: their lines are there, and may lie at 0.
QUIET = {
    "Back pressure",
    "Circuit breakers",
    "Circuit breakers that opened",
    "Requests in flight",
    "Requests that wait at the server",
    "Restarts of the job",
}
#: What a machine without it cannot answer.
NEEDED = {"a GPU"}
SECONDS = 120


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    try:
        with running_stack(tmp_path_factory.mktemp("stack")) as started:
            yield started
    except NoPrometheus as error:
        pytest.skip(str(error))


def test_the_jar_in_lib_serves_the_gateway_and_a_program(stack: Stack) -> None:
    """No session has added a jar but the program's, which adds the same; and each job goes on."""
    answered = f"sum by (job_name) ({PREFIX}success) > 10"
    wait_for(
        lambda: {line["metric"]["job_name"] for line in stack.prometheus.query(answered)} == stack.jobs.keys(),
        SECONDS,
        "rows of each job",
    )
    assert {stack.flink.jobs()[job] for job in stack.jobs.values()} == {"RUNNING"}


def test_prometheus_reaches_all_and_knows_the_alerts(stack: Stack) -> None:
    wait_for(lambda: len(stack.prometheus.query("up == 1")) == 1 + TASK_MANAGERS + 1, SECONDS, "all targets")
    (group,) = stack.prometheus.ask("/api/v1/rules")["groups"]
    assert len(group["rules"]) >= 6
    assert not [rule for rule in group["rules"] if rule.get("lastError")]


def test_each_panel_of_the_dashboard_has_data(stack: Stack) -> None:
    """An answer to each query, and a value above 0 in each panel of what happens to these jobs."""
    without = list(panels())

    def all_have() -> bool:
        without[:] = [panel for panel in without if not has_data(stack, panel)]
        return not without

    try:
        wait_for(all_have, SECONDS, "data in each panel")
    except AssertionError as error:
        raise AssertionError(f"{error}; there is none in {[panel.title for panel in without]}") from None
    assert {query.needs for panel in panels() for query in panel.queries if query.needs} <= NEEDED


def test_times_are_there_of_both_kinds_of_operators(stack: Stack) -> None:
    """Of the shim's histograms, and of PyFlink's gauges, in one panel."""
    (latency,) = [panel for panel in panels() if panel.title == "Latency of a request"]
    kinds = {"MLPredictTableFunction", "AsyncCalc", "PythonCalc"}
    wait_for(
        lambda: all(kinds <= operators(stack, query) for query in latency.queries),
        SECONDS,
        f"latencies of {', '.join(sorted(kinds))}",
    )


def operators(stack: Stack, query: Query) -> set[str]:
    """The kinds of the operators in an answer: the names without their numbers."""
    return {line["metric"]["operator_name"].partition("_")[0] for line in answers(stack, query)}


def has_data(stack: Stack, panel: Panel) -> bool:
    found = [answers(stack, query) for query in panel.queries if not query.needs]
    is_moving = any(float(line["value"][1]) > 0 for lines in found for line in lines)
    return all(found) and (is_moving or panel.title in QUIET)


def answers(stack: Stack, query: Query) -> list[dict[str, Any]]:
    return stack.prometheus.query(query.filled)
