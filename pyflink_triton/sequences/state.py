"""The state of one sequence, and whether a row's request begins or ends it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from pyflink_triton.model.scheduling import SequenceBatching
from pyflink_triton.sequences.ids import WireId, encode_id


@dataclass(frozen=True)
class SequenceFlags:
    """What a request says about its sequence.

    Attributes:
        id: The sequence, as the server knows it.
        start: Whether the request begins it; such a request may be sent again like a stateless one.
        end: Whether the request ends it.
    """

    id: WireId
    start: bool
    end: bool

    @property
    def parameters(self) -> dict[str, WireId | bool]:
        """The request's parameters."""
        return {"sequence_id": self.id, "sequence_start": self.start, "sequence_end": self.end}


def lone_sequence(batching: SequenceBatching | None) -> dict[str, WireId | bool]:
    """The parameters of a request that is a whole sequence, as for a warm-up; empty for a stateless model."""
    if batching is None:
        return {}
    return SequenceFlags(encode_id(os.urandom(16).hex(), batching.corrid), start=True, end=True).parameters


@dataclass(slots=True)
class Row:
    """A row of a batch: its number there, what it says about its sequence, and whether it is sent at all."""

    number: int
    start: bool
    end: bool
    is_sent: bool


@dataclass(slots=True)
class SequenceState:
    """The state of one id as this task knows it. A START or END that no request has carried yet is due."""

    text: str
    id: WireId
    live: bool = False
    start_due: bool = False
    end_due: bool = False
    endpoint: str | None = None
    last: asyncio.Event | None = None
    turns: int = 0
    used: float = 0.0

    def flags_of(self, row: Row, *, begins: bool, ends: bool) -> tuple[bool, bool]:
        """Whether a row's request begins and ends the sequence.

        Args:
            row: The row.
            begins: Whether a request begins the sequence by itself where the server does not have it.
            ends: Whether every request ends it.
        """
        is_new = row.start or (begins and (not self.live or self.end_due))
        # An END that is due belongs to the sequence before: a START ends that too.
        return is_new or self.start_due, row.end or ends or (self.end_due and not is_new)

    def hand_on(self, row: Row) -> None:
        """Note what a row that is not sent says: it goes with the next request."""
        if row.start:
            self.start_due, self.end_due = True, False
        if row.end:
            self.end_due = self.live or self.start_due


@dataclass(slots=True)
class Turn:
    """Rows of one batch that belong to one sequence, and what they wait for."""

    sequence: SequenceState
    before: asyncio.Event | None
    rows: list[Row] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
