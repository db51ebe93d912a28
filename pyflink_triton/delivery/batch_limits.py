"""How many rows each endpoint takes in a request: what is configured, or fewer where the model refused so many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyflink_triton.metrics import Metrics
from pyflink_triton.remedies import Remedy

#: After this many refused batches in succession whose rows were all answered in smaller ones, the limit is halved.
_REFUSALS = 3
#: After this many answers one request tries twice the limit.
_ANSWERS = 100


@dataclass
class _Seen:
    """What one endpoint has shown.

    Attributes:
        rows: Its limit.
        refused: Sizes of the batches that it refused since it last answered one as large.
        answers: How many it gave since the limit changed, or since a request last tried more.
        trial: The request under way that has twice the limit.
    """

    rows: int
    refused: list[int] = field(default_factory=list)
    answers: int = 0
    trial: object = None


class BatchLimits:
    """The limit of each endpoint.

    Args:
        configured: Rows in a request at the most, as the model's configuration and the options say.
        endpoints: The base URLs.
        metrics: Where the smallest limit is shown.
        warn: Takes a message, once: when a limit falls for the first time.
    """

    def __init__(
        self, configured: int, endpoints: Sequence[str], metrics: Metrics, warn: Callable[[str], object]
    ) -> None:
        self._configured = configured
        self._seen: defaultdict[str, _Seen] = defaultdict(lambda: _Seen(configured))
        self._seen.update((base, _Seen(configured)) for base in endpoints)
        #: Whether no endpoint has refused a batch that counts, so that all have what is configured.
        self._is_untouched = True
        self._metrics = metrics
        self._warn: Callable[[str], object] | None = warn
        if configured:
            metrics.set_batch_limit(configured, self)

    @property
    def rows(self) -> int:
        """How many rows to put into the next request: the largest limit of all endpoints."""
        if self._is_untouched:
            return self._configured
        return max(map(self._next, self._seen.values()), default=self._configured)

    def _next(self, seen: _Seen) -> int:
        is_due = seen.answers >= _ANSWERS and seen.trial is None
        return min(2 * seen.rows, self._configured) if is_due else seen.rows

    def refuse(self, base: str, rows: int, request: object) -> int | None:
        """Say whether an endpoint takes fewer rows than a request has, and how many; None where it may go there."""
        if self._is_untouched and rows <= self._configured:
            return None
        seen = self._seen[base]
        if rows <= seen.rows or seen.trial is request:
            return None
        if rows > (most := self._next(seen)):
            return most
        seen.trial = request
        return None

    def over(self, request: object) -> None:
        """A request is answered or has failed; if it was a trial, the next one has to wait."""
        if self._is_untouched:
            return
        for seen in self._seen.values():
            if seen.trial is request:
                seen.trial, seen.answers = None, 0

    def answered(self, base: str, rows: int) -> None:
        """A request was answered, and its rows were right."""
        if self._is_untouched:
            return
        seen = self._seen[base]
        seen.answers += 1
        if seen.refused:
            seen.refused = [size for size in seen.refused if size > rows]
        if rows > seen.rows:
            self._set(seen, min(2 * seen.rows, self._configured))

    def refused(self, base: str, rows: int) -> None:
        """A batch was refused whose rows were all answered in smaller ones."""
        seen = self._seen[base]
        if rows > seen.rows:
            return
        self._is_untouched = False
        seen.refused.append(rows)
        if len(seen.refused) < _REFUSALS:
            return
        most = max(seen.refused)  # no batch of this size was answered since
        self._set(seen, max(1, most // 2))
        if self._warn is not None:
            self._warn(
                f"{base} refused {_REFUSALS} requests of up to {most} rows in succession and answered their rows in "
                f"smaller ones, so it gets at most {seen.rows} rows in a request for now. "
                f"{Remedy.SET_BATCH_LIMIT()}. The metric 'batch_limit' shows what is sent"
            )
            self._warn = None

    def forget(self, base: str) -> None:
        """An endpoint is no longer there."""
        if self._seen.pop(base, None) is not None:
            self._tell()

    def _set(self, seen: _Seen, rows: int) -> None:
        seen.rows, seen.refused, seen.answers = rows, [], 0
        self._tell()

    def _tell(self) -> None:
        if self._configured:
            least = min((each.rows for each in self._seen.values()), default=self._configured)
            self._metrics.set_batch_limit(least, self)
