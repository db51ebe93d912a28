"""The rules of sequences, against a server that a test plays: flags, order, endpoints, losses, what is forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from loops import in_a_loop

from pyflink_triton.errors import ExhaustedError, LostError, NoSequenceError, RowError, TritonError
from pyflink_triton.metrics import Metrics
from pyflink_triton.model.scheduling import CORRID_MAXIMA, SequenceBatching
from pyflink_triton.options.validation import parse_options
from pyflink_triton.sequences.ids import encode_id
from pyflink_triton.sequences.state import SequenceFlags
from pyflink_triton.sequences.tracker import SequenceTracker
from pyflink_triton.tensors.text_template import TextTemplate

Answer = Callable[["Server", int, SequenceFlags, "str | None"], Awaitable["str | None"]]
NOT_STARTED = NoSequenceError("the model answered HTTP 400: must specify the START flag", status=400)


async def answered(server: Server, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
    return endpoint or "a"


@dataclass
class Server:
    """Remembers the requests, and answers each as it is told: once by each of ``answers``, then well."""

    answers: list[TritonError | Answer] = field(default_factory=list)
    requests: list[tuple[int, Any, str, str | None]] = field(default_factory=list)

    async def send(self, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
        self.requests.append((row, flags.id, "S" * flags.start + "E" * flags.end, endpoint))
        answer = self.answers.pop(0) if self.answers else answered
        if isinstance(answer, TritonError):
            raise answer
        return await answer(self, row, flags, endpoint)

    @property
    def flags(self) -> str:
        """The flags of each request, as ``S - - E``."""
        return " ".join(flags or "-" for _, _, flags, _ in self.requests)


class Task:
    """Sequences over the columns id, first and last, with a clock of the test's."""

    def __init__(self, server: Server, batching: SequenceBatching | None = None, /, **options: str) -> None:
        written = {"endpoint": "http://h:1", "model-name": "m", "sequence-id": "${id}"}
        written.update({key.replace("_", "-"): value for key, value in options.items()})
        self.server, self.metrics, self.now = server, Metrics(), 0.0
        batching = batching or SequenceBatching(None, 60)
        columns = {"id": 0, "first": 1, "last": 2}
        self.sequences = SequenceTracker(parse_options(written), batching, columns, self.metrics, 3, lambda: self.now)

    async def predict(self, *rows: tuple[Any, ...]) -> dict[int, str]:
        """Send rows of (id, first, last, whether it is sent); returns the errors."""
        padded = [(*row, *(False, False, True)[len(row) - 1 :]) for row in rows]
        ids, first, last, sent = zip(*padded, strict=True)
        batch = pa.record_batch(
            [pa.array(ids, pa.utf8()), pa.array(first, pa.bool_()), pa.array(last, pa.bool_())],
            names=["c0", "c1", "c2"],
        )
        errors: dict[int, str] = {}
        await self.sequences.predict(batch, np.flatnonzero(sent), self.server.send, errors.__setitem__)
        return errors

    @property
    def counted(self) -> tuple[int, int | None]:
        """Losses, and sequences alive."""
        return (self.metrics.take() or {"counters": {}})["counters"].get(
            "sequences_lost", 0
        ), self.metrics.live_sequences


BY_DATA = {"sequence_start": "${first}", "sequence_end": "${last}"}


@pytest.mark.parametrize(
    ("options", "rows", "flags"),
    [
        ({"sequence_start": "true"}, [("a",)] * 3, "S - -"),
        ({"sequence_start": "true", "sequence_end": "true"}, [("a",)] * 2, "SE SE"),
        ({"sequence_start": "true", "sequence_end": "${last}"}, [("a",), ("a", 0, 1), ("a",), ("a",)], "S E S -"),
        (BY_DATA, [("a", 1), ("a",), ("a", 0, 1), ("a", 1, 1), ("a", 1)], "S - E SE S"),
        (BY_DATA, [("a", 1), ("a", 1), ("a", None, None)], "S S -"),
        # A row that is not sent hands on what it says.
        (BY_DATA, [("a", 1, 0, False), ("a",), ("a", 0, 1, False), ("a",)], "S E"),
        (BY_DATA, [("a", 1), ("a", 0, 1, False), ("a", 1), ("a",)], "S S -"),
        (BY_DATA, [("a", 1, 1, False), ("a",)], "SE"),
        (
            {"sequence_start": "true", "sequence_end": "${last}"},
            [("a",), ("a", 0, 1, False), ("a",), ("a",)],
            "S S -",
        ),
        ({"sequence_start": "true", "sequence_end": "true"}, [("a", 0, 0, False), ("a",)], "SE"),
    ],
)
@in_a_loop
async def test_a_sequence_begins_and_ends_as_the_options_say(
    options: dict[str, str], rows: list[tuple[Any, ...]], flags: str
) -> None:
    task = Task(Server(), **options)
    batch = [tuple(bool(each) if each in (0, 1) and each is not None else each for each in row) for row in rows]
    assert await task.predict(*batch) == {}
    assert task.server.flags == flags
    apart = Task(Server(), **options)
    for row in batch:
        assert await apart.predict(row) == {}
    assert apart.server.flags == flags
    assert apart.counted[0] == 0


@in_a_loop
async def test_no_row_goes_without_a_beginning() -> None:
    task = Task(Server(), **BY_DATA)
    errors = await task.predict(("a",), ("a", True), ("b",))
    assert list(errors) == [0, 2]
    assert all(message.startswith("Sequence not found") for message in errors.values())
    assert task.server.flags == "S"
    again = Task(Server(), **BY_DATA, sequence_lost="restart")
    assert await again.predict(("a",), ("a",)) == {}
    assert again.server.flags == "S -"


@pytest.mark.parametrize("error", [NOT_STARTED, LostError("cut off")])
@in_a_loop
async def test_what_is_lost_is_begun_anew_at_once(error: TritonError) -> None:
    task = Task(Server([answered, error]), sequence_start="true")
    assert await task.predict(("a",), ("a",), ("a",)) == {}
    assert task.server.flags == "S - S -"
    assert [row for row, *_ in task.server.requests] == [0, 1, 1, 2]
    assert [endpoint for *_, endpoint in task.server.requests] == [None, "a", None, "a"]
    assert task.counted == (1, 1)


@in_a_loop
async def test_what_is_lost_fails_until_a_row_begins_again() -> None:
    task = Task(Server([answered, NOT_STARTED]), **BY_DATA)
    errors = await task.predict(("a", True), ("a",), ("a",), ("a", True), ("a",))
    assert list(errors) == [1, 2]
    assert all(message.startswith("Sequence not found") for message in errors.values())
    assert task.server.flags == "S - S -"
    assert task.counted == (1, 1)


@in_a_loop
async def test_where_the_option_begins_the_row_after_a_loss_does() -> None:
    task = Task(Server([answered, LostError("cut off")]), sequence_start="true", sequence_lost="fail")
    errors = await task.predict(("a",), ("a",), ("a",))
    assert list(errors) == [1]
    assert errors[1].startswith("Sequence not found")
    assert errors[1].endswith("cut off")
    assert task.server.flags == "S - S"


@pytest.mark.parametrize(
    "error",
    [
        RowError("the model 'START' answered: bad shape", status=400),
        ExhaustedError("too busy", status=503),
        RowError("large", status=413),
    ],
)
@in_a_loop
async def test_a_row_that_never_ran_costs_that_row(error: TritonError) -> None:
    task = Task(Server([answered, error]), **BY_DATA)
    assert await task.predict(("a", True), ("a", False, True), ("a",)) == {1: str(error)}
    assert task.server.flags == "S E E"
    assert task.counted == (0, 0)
    first = Task(Server([error]), **BY_DATA)
    assert await first.predict(("a", True), ("a",)) == {0: str(error)}
    assert first.server.flags == "S S"


@in_a_loop
async def test_a_beginning_that_fails_again_fails_its_row() -> None:
    task = Task(Server([answered, NOT_STARTED, RowError("bad", status=500)]), sequence_start="true")
    assert await task.predict(("a",), ("a",), ("a",)) == {1: "bad"}
    assert task.server.flags == "S - S S"


@in_a_loop
async def test_a_sequence_keeps_its_endpoint_until_it_ends() -> None:
    endpoints = iter("abcdef")

    async def balanced(server: Server, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
        return endpoint or next(endpoints)

    task = Task(Server([balanced] * 9), sequence_start="true", sequence_end="${last}")
    await task.predict(("x",), ("y",), ("x",), ("y",), ("x", False, True), ("x",))
    kept = {id_: [to for _, each, _, to in task.server.requests if each == id_] for id_ in ("x", "y")}
    assert kept == {"x": [None, "a", "a", None], "y": [None, "c"]}


@in_a_loop
async def test_one_request_of_a_sequence_in_order_and_sequences_at_once() -> None:
    under_way: dict[Any, int] = {}
    most = 0

    async def slowly(server: Server, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
        nonlocal most
        under_way[flags.id] = under_way.get(flags.id, 0) + 1
        assert under_way[flags.id] == 1
        most = max(most, sum(under_way.values()))
        for _ in range(random.Random(row).randrange(5)):
            await asyncio.sleep(0)
        under_way[flags.id] -= 1
        return "a"

    task = Task(Server([slowly] * 1000), sequence_start="true")
    batches = [[(f"id-{(row * 7 + batch) % 13}",) for row in range(50)] for batch in range(20)]
    await asyncio.gather(*(task.predict(*batch) for batch in batches))
    assert len(task.server.requests) == 1000
    assert most > 5
    sent = [id_ for _, id_, _, _ in task.server.requests]
    begun = [id_ for _, id_, flags, _ in task.server.requests if flags == "S"]
    assert sorted(begun) == sorted(set(sent))
    for id_ in set(sent):
        rows = [row for row, each, _, _ in task.server.requests if each == id_]
        expected = [row for batch in batches for row, (each,) in enumerate(batch) if each == id_]
        assert rows == expected


@in_a_loop
async def test_beginnings_leave_room_for_what_ends_a_sequence() -> None:
    slots = asyncio.Semaphore(4)
    server_slots = asyncio.Semaphore(2)

    async def crowded(server: Server, row: int, flags: SequenceFlags, endpoint: str | None) -> str | None:
        async with slots:
            if flags.start:
                await server_slots.acquire()
            if flags.end:
                server_slots.release()
        return "a"

    task = Task(Server([crowded] * 99), sequence_start="true", sequence_end="${last}", max_in_flight_requests="4")
    rows = [(f"{id_}", False, part == 2) for part in range(3) for id_ in range(30)]
    assert await asyncio.wait_for(task.predict(*rows), 10) == {}
    assert len(task.server.requests) == 90


@in_a_loop
async def test_what_the_server_dropped_long_ago_is_forgotten() -> None:
    task = Task(Server(), SequenceBatching(None, 10), sequence_start="true")
    await task.predict(("a",))
    task.now = 15
    await task.predict(("b",))
    assert task.counted == (0, 2)
    task.now = 21
    await task.predict(("c",))
    assert task.counted == (0, 2)
    await task.predict(("a",))
    assert task.server.flags == "S S S S"


@in_a_loop
async def test_an_unknown_idle_limit_forgets_nothing() -> None:
    task = Task(Server(), SequenceBatching(None, None), sequence_start="true")
    await task.predict(("a",))
    task.now = 1e9
    await task.predict(("a",))
    assert task.server.flags == "S -"


@in_a_loop
async def test_no_more_ids_than_allowed_are_kept() -> None:
    task = Task(Server(), sequence_start="true", sequence_max_ids="2")
    await task.predict(("a",), ("b",), ("c",))
    assert task.counted == (1, 2)
    await task.predict(("b",), ("c",), ("a",))
    assert task.server.flags == "S S S - - S"
    ended = Task(Server(), sequence_start="true", sequence_end="true", sequence_max_ids="2")
    await ended.predict(*((str(row),) for row in range(100)))
    assert ended.counted == (0, 0)


@in_a_loop
async def test_automatic_ids_are_whole_sequences_of_a_row() -> None:
    task = Task(Server(), sequence_id="job", sequence_id_auto_increment="true")
    await task.predict(("a",), ("a", False, False, False), ("b",))
    await task.predict(("a",))
    assert sorted(id_ for _, id_, _, _ in task.server.requests) == ["job-3-0", "job-3-1", "job-3-2"]
    assert task.server.flags == "SE SE SE"
    assert task.counted == (0, 0)


@in_a_loop
async def test_bad_ids_fail_their_rows() -> None:
    task = Task(Server(), sequence_start="true")
    errors = await task.predict(("",), ("a",), (None,), ("", False, False, False))
    assert list(errors) == [0]
    assert errors[0].startswith("Invalid sequence ID")
    assert [id_ for _, id_, _, _ in task.server.requests] == ["a"]
    other = _same_number("INT32")
    same = Task(Server(), SequenceBatching("INT32", 60), sequence_start="true")
    errors = await same.predict((other[0],), (other[1],))
    assert list(errors) == [1]
    assert errors[1].startswith("Invalid sequence ID")


def _same_number(corrid: str) -> tuple[str, str]:
    """Two ids, one of them a number, that are one number to the model."""
    return "conversation", str(encode_id("conversation", corrid))


@pytest.mark.parametrize(("corrid", "maximum"), list(CORRID_MAXIMA.items()))
def test_integer_ids_stay_in_the_range_of_their_control(corrid: str, maximum: int) -> None:
    assert encode_id("1", corrid) == 1
    assert encode_id(str(maximum), corrid) == maximum
    hashed = [encode_id(text, corrid) for text in ("0", "-1", "007", str(maximum + 1), "٣", "a", "a" * 1000, "1.0")]
    assert len(set(hashed)) == len(hashed)
    assert all(isinstance(each, int) and 1 <= each <= maximum for each in hashed)
    many = [encode_id(f"user-{n}", corrid) for n in range(2000)]
    assert max(many) > maximum * 0.99  # type: ignore[operator]  # numbers, as the control is an integer
    assert encode_id("a", corrid) == encode_id("a", corrid)


def test_texts_are_sent_as_they_are_up_to_128_bytes() -> None:
    assert encode_id("é" * 64, None) == "é" * 64
    assert len(str(encode_id("é" * 64 + "x", None))) == 64
    assert encode_id("a\0b", None) != encode_id("a\0c", None)
    assert "\0" not in str(encode_id("a\0b", None))
    assert encode_id("42", None) == "42"


def test_templates_are_filled_in_from_columns() -> None:
    batch = pa.record_batch([pa.array([1, 2, None], pa.int64()), pa.array(["x", None, "z"])], names=["c0", "c1"])
    columns = {"n": 0, "t": 1}
    assert TextTemplate("a-${n}", columns).fill(batch) == ["a-1", "a-2", None]
    assert TextTemplate("${t}${n}-é", columns).fill(batch) == ["x1-é", None, None]
    assert TextTemplate("constant", columns).fill(batch) == ["constant"] * 3
    assert TextTemplate("${n}", columns).fill(batch.slice(1)) == ["2", None]
