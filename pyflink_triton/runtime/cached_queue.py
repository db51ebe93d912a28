"""In front of the queue: rows that were answered before are not sent, and equal rows under way are one of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints, present
from pyflink_triton.metrics import Metrics
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.runtime.answer_cache import AnswerCache, Entry, RouteAnswers
from pyflink_triton.runtime.request_queue import Piece, RequestQueue, RowSource
from pyflink_triton.tensors.kept_rows import Shapes
from pyflink_triton.tensors.row_keys import row_keys

#: One column of so many bytes goes out at once; an Arrow array cannot hold 2 GiB, and a large answer may repeat.
_BYTES_AT_ONCE = 64 << 20
#: Kinds of values that are held once for all rows that have them.
_KINDS = 1024
#: What the values of rows are: the outputs' shapes where they are bytes, or None where each is an Arrow array.
Values = Shapes | None
#: The version of the model that gave values, None where the answer did not say it, and what they are.
Kind = tuple[str | None, Values]
_kind = itemgetter(1)


@dataclass(frozen=True, slots=True)
class RowCodec:
    """Takes answers apart into values of single rows, and puts them together again.

    Attributes:
        split: Copies the values of each output for each row, from a response and the columns that were made of it.
        join: Makes columns of rows with such values, which a version of the model gave.
    """

    split: Callable[[InferenceResponse, Sequence[pa.Array], int], tuple[Values, Sequence[Sequence[Any]]]]
    join: Callable[[Values, Sequence[Sequence[Any]], str | None, int], list[pa.Array]]


@dataclass(slots=True, eq=False, kw_only=True)
class _Sent(RowSource):
    """Rows of a batch that are sent.

    Attributes:
        batch: Their batch.
        keys: The keys of those that are not answered yet.
        leads: Whether equal rows may wait for them.
    """

    batch: RowSource
    keys: dict[int, bytes]
    leads: bool


#: A row that waits for an equal one: what it has in common with others, its piece, and its place in that.
_Follower = tuple[bytes, Piece, int]


class CachedQueue:
    """Takes rows as ``RequestQueue`` does, and passes on those that have to be sent.

    Args:
        queue: Where they go.
        cache: Where answers are kept.
        codec: Takes them apart and puts them together.
        metrics: Where rows are counted.
    """

    def __init__(
        self, queue: RequestQueue, cache: AnswerCache | RouteAnswers, codec: RowCodec, metrics: Metrics
    ) -> None:
        self._queue = queue
        self._cache = cache
        self._codec = codec
        self._metrics = metrics
        #: The rows under way that others may wait for, by their keys, with those that do.
        self._followers: dict[bytes, list[_Follower] | None] = {}
        self._kinds: dict[Kind, Kind] = {}

    def add(self, alike: bytes, piece: Piece) -> None:
        """Answer the rows whose answers are here, and send the others; see ``RequestQueue.add``."""
        keys = row_keys(piece.source.columns, piece.rows, alike)
        found = self._cache.find(keys, asyncio.get_running_loop().time())
        new = []
        for place in [place for place, entry in enumerate(found) if entry is None]:
            if (key := keys[place]) not in self._followers:
                self._followers[key] = None
                new.append(place)
            elif (followers := self._followers[key]) is None:
                self._followers[key] = [(alike, piece, place)]
            else:
                followers.append((alike, piece, place))
        if new:
            self._send(alike, piece, new, [keys[place] for place in new], leads=True)
        entries = list(filter(None, found))
        if len(entries) == len(found):
            self._give(piece.source, piece.rows, entries)
        elif entries:
            self._give(piece.source, piece.rows[[entry is not None for entry in found]], entries)

    def keep(
        self,
        pieces: Iterable[Piece],
        response: InferenceResponse,
        columns: Sequence[pa.Array],
        errors: Iterable[int],
    ) -> None:
        """Keep an answer, and give it to the rows that wait for it.

        Args:
            pieces: The rows that it answers.
            response: The response.
            columns: What was made of it.
            errors: The places of rows that failed all the same.
        """
        is_kept = _are_whole(columns, errors)
        what, values = self._codec.split(response, columns, len(is_kept))
        kind = self._kind_of(response.version, what)
        # An answer is as old as its call: the model may have been replaced while it was under way.
        began = asyncio.get_running_loop().time() - response.seconds
        is_current, until = self._cache.meet(response.version, began), began + self._cache.seconds
        rows, answered = zip(is_kept.tolist(), *values, strict=True), []
        for piece in pieces:
            sent, lone = piece.source, []
            assert isinstance(sent, _Sent)
            for row, (is_good, *its_values) in zip(piece.rows.tolist(), rows, strict=False):
                if not is_good:
                    lone.append(row)
                elif (key := sent.keys.pop(row, None)) is not None:
                    entry = (until, kind, *its_values)
                    if is_current:
                        self._cache.put(key, entry)
                    if sent.leads and (followers := self._followers.pop(key)) is not None:
                        answered += [(key, entry, follower) for follower in followers]
            self._release(sent, lone)
        self._metrics.set_cache_bytes(self._cache.bytes)
        if answered:
            self._answer(answered, until)

    def _kind_of(self, version: str | None, values: Values) -> Kind:
        """A kind, the same object each time."""
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        kind = (version, values)
        return self._kinds.setdefault(kind, kind)

    def _answer(self, answered: Sequence[tuple[bytes, Entry, _Follower]], until: float) -> None:
        """Answer rows that waited; those that came when the answer was too old already send themselves."""
        young = [each for each in answered if each[2][1].source.since <= until]
        if len(young) < len(answered):
            self._resend([(key, each) for key, _, each in answered if each[1].source.since > until])
        for piece, chosen in _by_piece(young, lambda each: each[2]):
            rows = piece.rows[[each[2][2] for each in chosen]]
            self._give(piece.source, rows, [entry for _, entry, _ in chosen])

    def _send(self, alike: bytes, piece: Piece, places: Sequence[int], keys: Sequence[bytes], *, leads: bool) -> None:
        batch, rows, sizes = piece.source, piece.rows[places], piece.sizes
        if not isinstance(sizes, int) and len(places) < len(piece.rows):
            sizes = np.concatenate(([0], np.cumsum(np.diff(sizes)[places])))
        sent = _Sent(
            batch.columns, batch.answered, batch.failed, batch.parameters, batch.since,
            batch=batch, keys=dict(zip(rows.tolist(), keys, strict=True)), leads=leads,
        )  # fmt: skip
        sent.answered, sent.failed = partial(self._answered, sent), partial(self._failed, sent)
        self._metrics.count_repeats(misses=len(places))
        self._queue.add(alike, Piece(sent, rows, sizes))

    def _answered(self, sent: _Sent, rows: Ints, outputs: list[pa.Array], errors: dict[int, str]) -> None:
        if not sent.batch.is_over:
            sent.batch.answered(rows, outputs, errors)
        if errors:
            self._release(sent, rows[list(errors)].tolist())

    def _failed(self, sent: _Sent, error: BaseException) -> None:
        if not sent.batch.is_over:
            sent.batch.is_over = True
            sent.batch.failed(error)
        self._release(sent, list(sent.keys))

    def _release(self, sent: _Sent, rows: Iterable[int]) -> None:
        """Let the rows that wait for some that failed send themselves: failures are neither kept nor shared."""
        lone = []
        for row in rows:
            key = sent.keys.pop(row, None)
            if key is not None and sent.leads:
                lone += [(key, each) for each in self._followers.pop(key) or ()]
        self._resend(lone)

    def _resend(self, lone: Sequence[tuple[bytes, _Follower]]) -> None:
        for piece, chosen in _by_piece(lone, lambda each: each[1]):
            if not piece.source.is_over:
                places, keys = [each[2] for _, each in chosen], [key for key, _ in chosen]
                self._send(chosen[0][1][0], piece, places, keys, leads=False)

    def _give(self, source: RowSource, rows: Ints, entries: Sequence[Entry]) -> None:
        """Answer rows with what is here."""
        if len(kinds := set(map(_kind, entries))) == 1:
            self._give_alike(source, rows, kinds.pop(), entries)
            return
        places: dict[Kind, list[int]] = {}
        for place, entry in enumerate(entries):
            places.setdefault(entry[1], []).append(place)
        for kind, alike in places.items():
            self._give_alike(source, rows[alike], kind, [entries[place] for place in alike])

    def _give_alike(self, source: RowSource, rows: Ints, kind: Kind, entries: Sequence[Entry]) -> None:
        values, (version, what) = list(zip(*entries, strict=True))[2:], kind
        if what is not None and len(rows) > 1 and any(sum(map(len, each)) > _BYTES_AT_ONCE for each in values):
            half = len(rows) // 2
            self._give_alike(source, rows[:half], kind, entries[:half])
            self._give_alike(source, rows[half:], kind, entries[half:])
        elif not source.is_over:
            assert source.hits is not None
            source.hits[rows] = True
            self._metrics.count_repeats(hits=len(rows))
            source.answered(rows, self._codec.join(what, values, version, len(rows)), {})


def _are_whole(columns: Sequence[pa.Array], errors: Iterable[int]) -> Bools:
    """Which rows have every output and did not fail."""
    is_whole = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        if column.null_count:
            is_whole &= present(column)
    is_whole[list(errors)] = False
    return is_whole


def _by_piece(each: Iterable[Any], follower: Callable[[Any], _Follower]) -> Iterable[tuple[Piece, list[Any]]]:
    """Group what is about followers by their pieces, in the order of their places."""
    groups: dict[int, list[Any]] = {}
    for one in each:
        groups.setdefault(id(follower(one)[1]), []).append(one)
    for group in groups.values():
        group.sort(key=lambda one: follower(one)[2])
        yield follower(group[0])[1], group
