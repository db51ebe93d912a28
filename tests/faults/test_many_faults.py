"""Many rows and 1% mixed faults through a real job: none wrong, lost or doubled, and no memory that grows."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fault_places import background_proxy
from faults import PASS, Step, page, triton_says
from flink_session import create_model, read_lines, session
from jobs import busy, numbers_and_answers, running, workers
from pyflink.java_gateway import get_gateway
from soak import IS_SOAK
from triton import Triton
from waiting import wait_for

ROWS = 100_000 if IS_SOAK else 20_000
ROWS_PER_CALL = 8
CALLS = ROWS // ROWS_PER_CALL
#: One call of so many fails.
EVERY = 100
FAULTS = (
    page(503),
    page(429, "Retry-After: 0"),
    Step("reset"),
    Step("reset", cut=-8),
    Step("close", cut=-8),
    Step("hang"),
    triton_says(500, "Stub process 'x' is not healthy."),
    Step("away", seconds=0.3),
)
GROWTH = 1.1
INSERT = "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE numbers, MODEL m, DESCRIPTOR(x))"


def mixed() -> list[Step]:
    """What becomes of each call: in each hundred one fault, all kinds in turn, in an order of a fixed seed."""
    chance = random.Random(5)
    steps = [PASS] * CALLS
    for number, start in enumerate(range(0, CALLS, EVERY)):
        steps[start + chance.randrange(EVERY)] = FAULTS[number % len(FAULTS)]
    return steps


def flink_process() -> int:
    """The JVM that this process has started."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and b"PythonGatewayServer" in (entry / "cmdline").read_bytes():
            status = (entry / "stat").read_text()
            if int(status.rpartition(")")[2].split()[1]) == os.getpid():
                return int(entry.name)
    raise AssertionError("there is no Flink")


def resident(process: int) -> int:
    """Bytes of a process in memory."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def heap(jvm: Any) -> int:
    """Bytes that live on Flink's heap."""
    runtime = jvm.Runtime.getRuntime()
    jvm.System.gc()
    return int(runtime.totalMemory()) - int(runtime.freeMemory())


def test_mixed_faults_cost_no_row_and_no_memory(
    triton: Triton, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = session(restart_strategy__type="none")
    numbers_and_answers(env, ROWS, tmp_path)
    jvm: Any = get_gateway().jvm
    flink = flink_process()
    before = set(workers())
    samples: list[tuple[int, int, int]] = []
    with background_proxy(triton.http_url, steps=mixed()) as proxy:
        options = {"max_batch_size": str(ROWS_PER_CALL), "timeout": "5 s"}
        create_model(env, "m", proxy.url, "pairing", "x BIGINT", "y BIGINT", **options)
        with running(env, INSERT, limit=500) as (_, outcome):
            (worker,) = wait_for(lambda: busy(set(workers()) - before), 60, "a busy worker")
            for tenth in range(1, 10):
                done = CALLS * tenth // 10
                wait_for(lambda done=done: len(proxy.calls) >= done or "ended" in outcome, 300, f"{done} calls")  # type: ignore[misc]
                if "ended" not in outcome:
                    samples.append((resident(worker), heap(jvm), resident(flink)))
        calls = len(proxy.inferences)
        troubles = proxy.troubles
    assert "error" not in outcome, outcome["error"]
    pairs = [tuple(map(int, line.split(","))) for line in read_lines(tmp_path / "answers")]
    assert [pair for pair in pairs if pair[1] != 3 * pair[0] + 1] == []
    assert [x for x, times in Counter(x for x, _ in pairs).items() if times != 1] == []
    assert len(pairs) == ROWS
    assert calls >= CALLS + CALLS // EVERY
    assert troubles == []
    with capsys.disabled():
        print("\nMB of worker, heap, JVM:", [tuple(size >> 20 for size in sample) for sample in samples])
    assert len(samples) == 9
    for what, sizes in zip(("worker", "heap", "JVM"), zip(*samples, strict=True), strict=True):
        assert max(sizes) <= GROWTH * sizes[0], what
