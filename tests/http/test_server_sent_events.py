"""The data of events, however a body was cut into parts."""

from __future__ import annotations

import random

import pytest

from pyflink_triton.protocol.server_sent_events import EventSplitter

BODIES = {
    b'data: {"a":1}\n\ndata: {"b":2}\n\n': [b'{"a":1}', b'{"b":2}'],
    b"data:x\n\n": [b"x"],
    b"data:  x\n\n": [b" x"],
    b"data: one\ndata: two\n\n": [b"one\ntwo"],
    b": a comment\n\ndata: x\n\n": [b"x"],
    b"event: e\nid: 1\ndata: x\n\n": [b"x"],
    b"data: x\r\n\r\ndata: y\r\n\r\n": [b"x", b"y"],
    b"data: x\n\n\n\ndata: y\n\n": [b"x", b"y"],
    b"data: \xff\n\n": [b"\xff"],
    b"": [],
}


@pytest.mark.parametrize(("body", "events"), BODIES.items())
def test_a_body_may_be_cut_anywhere(body: bytes, events: list[bytes]) -> None:
    for cut in range(len(body) + 1):
        splitter = EventSplitter()
        assert splitter.feed(body[:cut]) + splitter.feed(body[cut:]) == events
        assert not splitter.is_inside_event
    splitter = EventSplitter()
    assert [event for place in range(len(body)) for event in splitter.feed(body[place : place + 1])] == events


def test_what_is_not_complete_waits() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: x\n") == []
    assert splitter.is_inside_event
    assert splitter.feed(b"\n") == [b"x"]
    assert not splitter.is_inside_event


def test_many_parts_of_many_events() -> None:
    generator = random.Random(7)
    events = [bytes(generator.choices(b"abc{}:\\ ", k=generator.randrange(1, 40))).strip() or b"x" for _ in range(500)]
    body = b"".join(b"data: " + event + b"\n\n" for event in events)
    splitter, found, place = EventSplitter(), [], 0
    while place < len(body):
        size = generator.randrange(1, 200)
        found += splitter.feed(body[place : place + size])
        place += size
    assert found == events
