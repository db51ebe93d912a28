"""Splits a body of the type text/event-stream into the data of its events, however the body was cut into parts."""

from __future__ import annotations

_FIELD = b"data:"
#: The byte order mark, which a stream may begin with.
_MARK = b"\xef\xbb\xbf"


class EventSplitter:
    """Takes the parts of a body, and gives the data of each event that is complete.

    Source: the HTML standard, section "Server-sent events". Comments and fields other than ``data`` are passed over.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._has_begun = False

    def feed(self, part: bytes) -> list[bytes]:
        """Take the next part.

        Args:
            part: Bytes of the body.

        Returns:
            The data of the events that it completes, in order.
        """
        rest = self._rest
        # A \r at the end may be half of a line's end.
        rest += part
        if not self._has_begun and len(rest) >= len(_MARK):
            self._has_begun = True
            if rest.startswith(_MARK):
                del rest[: len(_MARK)]
        events = []
        start = 0
        while (found := _blank_line(rest, max(start, self._searched))) is not None:
            end, after = found
            data = _data(rest[start:end])
            if data is not None:
                events.append(data)
            start = self._searched = after
        del rest[:start]
        self._searched = max(0, len(rest) - 3)
        return events

    @property
    def is_inside_event(self) -> bool:
        """Whether something other than a comment came after the last complete event."""
        rest = self._rest.strip()
        return bool(rest) and not rest.startswith(b":")


def _blank_line(text: bytearray, start: int) -> tuple[int, int] | None:
    """Where the first event ends, and where the next one begins."""
    short = text.find(b"\n\n", start)
    # No further than that, or each of many events would search all that came.
    long = text.find(b"\n\r\n", start, len(text) if short < 0 else short)
    if long >= 0:
        return long, long + 3
    return None if short < 0 else (short, short + 2)


def _data(event: bytearray) -> bytes | None:
    lines = [line[len(_FIELD) :] for line in event.splitlines() if line.startswith(_FIELD)]
    return b"\n".join(line[1:] if line.startswith(b" ") else line for line in lines) if lines else None
