"""What one turn of a contender is, and what several are together."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """One turn.

    Attributes:
        rows: How many rows were answered, rightly.
        seconds: How long that took.
        cpu: The CPU seconds of each part; without ``server`` where that runs elsewhere. ``jit`` is what the JVM spent
            on compiling, which ends with the first seconds of a job and is in no sum.
    """

    rows: int
    seconds: float
    cpu: Mapping[str, float]

    def less(self, start: Run) -> Run:
        """This run without what a run of a few rows takes, because that is the start.

        A run that takes no longer than its start is left as it is: it was too short to tell.
        """
        if start.seconds >= self.seconds:
            return self
        cpu = {part: max(0.0, spent - start.cpu.get(part, 0.0)) for part, spent in self.cpu.items()}
        return Run(self.rows - start.rows, self.seconds - start.seconds, cpu)

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    def micros(self, part: str | None = None) -> float | None:
        """Microseconds of CPU a row, of one part or of all; None where the server's are not known."""
        if part is None:
            spent = sum(seconds for part, seconds in self.cpu.items() if part != "jit")
            return spent / self.rows * 1e6 if "server" in self.cpu else None
        return self.cpu[part] / self.rows * 1e6 if part in self.cpu else None


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median of some figures, the lowest, the highest, and all in the order of their turns."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "turns": list(values)}


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Turns as JSON: rows a second, and microseconds of CPU a row of each part and of all."""
    cpu = {part: spread([run.micros(part) or 0.0 for run in runs]) for part in runs[0].cpu}
    total = [each for each in (run.micros() for run in runs) if each is not None]
    return {
        "rows": runs[0].rows,
        "rows_a_second": spread([run.rate for run in runs]),
        "cpu_us_a_row": {**cpu, **({"all": spread(total)} if total else {})},
    }
