"""One queue for the rows of all batches, from which they leave in requests that are as full as the model takes them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pyflink_triton._arrow import Bools, Ints
from pyflink_triton._async import cancel_all
from pyflink_triton.delivery.batch_limits import BatchLimits
from pyflink_triton.delivery.batch_splitter import BatchSplitter
from pyflink_triton.delivery.concurrency_limit import ConcurrencyLimit
from pyflink_triton.delivery.request import Request
from pyflink_triton.errors import RowError
from pyflink_triton.protocol.inference import InferenceResponse
from pyflink_triton.tensors.encode import TensorColumn
from pyflink_triton.tensors.row_parameters import RowParameters

#: How much of a call's usual time rows wait for others to fill their request.
_LONGEST_WAIT = 1 / 4
#: Takes rows of a batch, their outputs in the same order, and the message of each that failed, by its place among them.
Answered = Callable[[Ints, list[pa.Array], dict[int, str]], None]


@dataclass(slots=True, eq=False)
class RowSource:
    """The rows of one batch, as tensors.

    Attributes:
        columns: The tensors of the whole batch.
        answered: Called with some of its rows whenever a request is answered or has failed for them.
        failed: Called with a fault that no row's policy covers.
        parameters: The parameters of each row's request; None where all have the same.
        since: When its first row came, in the event loop's clock.
        is_over: Whether nobody waits for its rows any more.
        hits: Set for each row that is answered with what an equal one was; None where that never is.
    """

    columns: Sequence[TensorColumn]
    answered: Answered
    failed: Callable[[BaseException], None]
    parameters: RowParameters | None = None
    since: float = 0.0
    is_over: bool = False
    hits: Bools | None = None


@dataclass(slots=True)
class Piece:
    """Rows of one batch that are alike.

    Attributes:
        source: Their batch.
        rows: Their indexes in it, ascending.
        sizes: The bytes of each where all have the same; else where each would begin if they lay one behind the other,
            with the end appended.
        since: When they came, in the event loop's clock.
    """

    source: RowSource
    rows: Ints
    sizes: Ints | int
    since: float = 0.0

    def bytes(self) -> int:
        """The bytes of all rows."""
        if isinstance(self.sizes, int):
            return self.sizes * len(self.rows)
        return int(self.sizes[-1]) - int(self.sizes[0])

    def fitting(self, rows: int, room: int) -> int:
        """How many rows from the front are at most so many, and have at most so many bytes."""
        rows = min(rows, len(self.rows))
        if isinstance(self.sizes, int):
            return min(rows, room // max(self.sizes, 1))
        end = int(self.sizes[0]) + room
        if self.sizes[rows] <= end:
            return rows
        return int(self.sizes[1:rows].searchsorted(end, side="right"))

    def cut(self, count: int) -> Piece:
        """Take rows from the front."""
        sizes = rest = self.sizes
        if not isinstance(self.sizes, int):
            sizes, rest = self.sizes[: count + 1], self.sizes[count:]
        front = Piece(self.source, self.rows[:count], sizes, self.since)
        self.rows, self.sizes = self.rows[count:], rest
        return front


@dataclass(slots=True)
class _Group:
    """The rows that wait and may share a request, because their tensors have the same shapes."""

    pieces: deque[Piece] = field(default_factory=deque)
    rows: int = 0
    bytes: int = 0

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self.rows += len(piece.rows)
        self.bytes += piece.bytes()

    def is_full(self, rows: int, size: int) -> bool:
        """Whether a request of so many rows or bytes has no room for one more."""
        return self.rows >= rows or self.bytes * (self.rows + 1) > size * self.rows

    def take(self, rows: int, size: int) -> list[Piece]:
        """Take the rows of one request: at most so many rows and bytes, but one row at least."""
        taken: list[Piece] = []
        while self.pieces and rows:
            first = self.pieces[0]
            count = first.fitting(rows, size)
            if count < 1:  # the row in front is larger than what is left
                if taken:
                    break
                count = 1
            piece = self.pieces.popleft() if count == len(first.rows) else first.cut(count)
            taken.append(piece)
            rows, size = rows - count, size - (used := piece.bytes())
            self.rows, self.bytes = self.rows - count, self.bytes - used
        return taken


@dataclass(frozen=True, slots=True)
class Codec:
    """Makes requests of rows, and rows of responses.

    Attributes:
        write: Makes a request of rows of one or several batches.
        read: Takes a response to so many rows apart: the outputs, and the message of each row that failed. Raises
            RowError where it does not answer them.
        nothing: Makes the outputs of so many rows that failed.
        keep: Takes the rows of a response that was read, the outputs, and the places of rows that failed all the same;
            None where nothing is kept.
    """

    write: Callable[[Sequence[Piece]], Request]
    read: Callable[[InferenceResponse, int], tuple[list[pa.Array], dict[int, str]]]
    nothing: Callable[[int], list[pa.Array]]
    keep: Callable[[Sequence[Piece], InferenceResponse, list[pa.Array], dict[int, str]], None] | None = None


class RequestQueue:
    """Sends rows in requests.

    A full request goes as soon as the concurrency limit has room. One that is not full goes at once while the server
    has little to do. Otherwise it waits for more rows, but for a quarter of a call's usual time at most: a server that
    works on four requests one after the other has answered one by then, and its rows have made room for others. Rows
    wait here for the pace of the limit, too, and come together meanwhile. Rows of several shapes wait for a time of
    their own at the least, because each shape that waits would let one more request go.

    Args:
        splitter: Sends requests and splits those that fail because of a row.
        limit: How many requests may be in flight.
        batch_limits: How many rows a request may have; None where a request holds one row.
        bytes_per_request: The greatest number of bytes of tensors in a request. A larger row goes alone.
        spare: How many requests are in flight at the least before rows wait for others to fill theirs.
        codec: Makes the requests, and reads their responses.
        bucket_wait: Seconds that rows wait for others of their shape, at the least, where they have several.

    Attributes:
        on_idle: Called when no row waits here or is under way any more.
    """

    def __init__(
        self,
        splitter: BatchSplitter,
        limit: ConcurrencyLimit,
        batch_limits: BatchLimits | None,
        bytes_per_request: int,
        spare: int,
        codec: Codec,
        bucket_wait: float = 0.0,
    ) -> None:
        self._splitter = splitter
        self._limit = limit
        self._batch_limits = batch_limits
        self._bytes = bytes_per_request
        self._spare = spare
        self._codec = codec
        self._bucket_wait = bucket_wait
        #: How long rows wait for others of their shape, at the least: not at all until there is a second one.
        self._wait = 0.0
        self._last: bytes | None = None
        #: By what their rows have in common. In both the groups take turns.
        self._full: OrderedDict[bytes, _Group] = OrderedDict()
        self._partial: OrderedDict[bytes, _Group] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self.on_idle: Callable[[], object] | None = None
        limit.on_free = self.wake

    def add(self, alike: bytes, piece: Piece) -> None:
        """Queue rows.

        Args:
            alike: The same for rows that may share a request.
            piece: The rows.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        piece.since = self._loop.time()
        if self._last is not None and alike != self._last:
            self._wait = self._bucket_wait
        self._last = alike
        if (group := self._full.get(alike)) is not None:
            group.add(piece)
        elif (group := self._partial.get(alike)) is None:
            group = _Group()
            group.add(piece)
            self._put(alike, group)
        else:  # it keeps its place, or groups that often get rows would overtake those that seldom do
            group.add(piece)
            if self._is_full(group):
                self._full[alike] = self._partial.pop(alike)
        self.wake()

    def wake(self) -> None:
        """Send what may go, once what has come together is queued."""
        if not self._is_due and self._loop is not None and (self._full or self._partial):
            self._is_due = True
            self._loop.call_soon(self._pump)

    @property
    def is_idle(self) -> bool:
        """Whether no row waits here or is under way."""
        return not (self._tasks or self._full or self._partial)

    async def close(self) -> None:
        """End every request under way."""
        self._full.clear()
        self._partial.clear()
        if self._timer is not None:
            self._timer.cancel()
        await cancel_all(self._tasks)

    @property
    def _rows_per_request(self) -> int:
        return 1 if self._batch_limits is None else self._batch_limits.rows

    def _is_full(self, group: _Group) -> bool:
        return group.is_full(self._rows_per_request, self._bytes)

    def _put(self, alike: bytes, group: _Group) -> None:
        """Let a group wait behind the others."""
        (self._full if self._is_full(group) else self._partial)[alike] = group

    def _pump(self) -> None:
        self._is_due = False
        assert self._loop is not None
        while (groups := self._next()) is not None and self._limit.try_take():
            alike, group = groups.popitem(last=False)
            pieces = [piece for piece in group.take(self._rows_per_request, self._bytes) if not piece.source.is_over]
            if group.rows:
                self._put(alike, group)
            if not pieces:
                self._limit.put_back()
                continue
            load = _Load(pieces, self._codec)
            load.task = self._loop.create_task(self._send(load))
            self._tasks.add(load.task)
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self.on_idle is not None and self.is_idle:
            self.on_idle()

    def _next(self) -> OrderedDict[bytes, _Group] | None:
        """Where the group stands first that goes next; None while none may go."""
        if not self._partial:
            return self._full or None
        since = _since(self._partial)
        if self._full and _since(self._full) <= since:
            return self._full
        assert self._loop is not None
        wait = since + self._longest_wait() - self._loop.time()
        if self._limit.taken < self._spare or wait <= 0.0:
            return self._partial
        if self._timer is None:
            self._timer = self._loop.call_later(wait, self._ring)
        return self._full or None

    def _longest_wait(self) -> float:
        """How long rows wait for others of their shape while the server has something to do."""
        usual = _LONGEST_WAIT * self._limit.usual if self._limit.taken >= len(self._partial) else 0.0
        return max(usual, self._wait)

    def _ring(self) -> None:
        self._timer = None
        self.wake()

    async def _send(self, load: _Load) -> None:
        try:
            await self._splitter.send(np.arange(load.rows), load.write, load.answered, load.failed)
        except Exception as error:  # the batches' owners raise it
            load.fail(error)
        finally:
            if load.holds_place:
                self._limit.put_back()
            if load.task is not None:
                self._tasks.discard(load.task)
            self._tell_idle()


def _since(groups: OrderedDict[bytes, _Group]) -> float:
    return next(iter(groups.values())).pieces[0].since


class _Load:
    """The rows of one request, of one batch or of several.

    Attributes:
        pieces: The rows by their batches.
        rows: How many.
        holds_place: Whether a place under the concurrency limit was taken and not yet used.
        task: What sends them.
    """

    __slots__ = ("_codec", "holds_place", "pieces", "rows", "task")

    def __init__(self, pieces: Sequence[Piece], codec: Codec) -> None:
        self.pieces = pieces
        self.rows = sum([len(piece.rows) for piece in pieces])
        self.holds_place = True
        self.task: asyncio.Task[None] | None = None
        self._codec = codec

    def write(self, part: Ints) -> Request:
        """Make the request of some of the rows; see ``pieces_of``."""
        request = self._codec.write(self.pieces_of(part))
        request.holds_place, self.holds_place = self.holds_place, False
        return request

    def answered(self, part: Ints, response: InferenceResponse) -> None:
        """Take the response to some of the rows."""
        outputs, errors = self._codec.read(response, len(part))
        if self._codec.keep is not None:
            self._codec.keep(self.pieces_of(part), response, outputs, errors)
        self.settle(part, outputs, errors)

    def failed(self, part: Ints, error: RowError) -> None:
        """Note that some of the rows failed."""
        self.settle(part, self._codec.nothing(len(part)), dict.fromkeys(range(len(part)), error.words))

    def pieces_of(self, part: Ints) -> Sequence[Piece]:
        """Some of the rows by their batches.

        Args:
            part: Their places in this load, ascending.
        """
        if len(part) == self.rows:
            return self.pieces
        pieces, start = [], 0
        for piece in self.pieces:
            stop = start + len(piece.rows)
            first, last = np.searchsorted(part, (start, stop))
            if first < last:
                pieces.append(Piece(piece.source, piece.rows[part[first:last] - start], 0))
            start = stop
        return pieces

    def settle(self, part: Ints, outputs: list[pa.Array], errors: dict[int, str]) -> None:
        """Hand each batch what concerns it.

        Args:
            part: The places of some rows in this load.
            outputs: Their outputs.
            errors: The message of each that failed, by its place in ``part``.
        """
        start = 0
        for piece in self.pieces_of(part):
            count = len(piece.rows)
            own, failed = outputs, errors
            if count < len(part):
                own = [column.slice(start, count) for column in outputs]
                failed = {place - start: text for place, text in errors.items() if start <= place < start + count}
            if not piece.source.is_over:
                piece.source.answered(piece.rows, own, failed)
            start += count

    def fail(self, error: BaseException) -> None:
        """Tell each batch of a fault that no row's policy covers."""
        for piece in self.pieces:
            if not piece.source.is_over:
                piece.source.is_over = True
                piece.source.failed(error)
