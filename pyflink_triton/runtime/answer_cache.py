"""Answers that are kept for rows that come again: the latest used, up to a number of bytes, for a while."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import compress
from math import inf
from operator import itemgetter
from sys import getsizeof
from typing import Any

#: Until when an answer may be given, what its values are, and the values: of each output one.
Entry = tuple[Any, ...]
#: What an entry takes beside the objects in it: its place in the table, its node, the header of its tuple.
_PLACE = 128
_until = itemgetter(0)


class AnswerCache:
    """Keeps answers by the keys of their rows, those of one version of the model only.

    Args:
        most: How many bytes it may have, those of the keys and of Python's objects among them.
        seconds: How long an answer is given again.

    Attributes:
        bytes: How many it has.
        version: The version of the model that gave all that is here.
        seconds: How long an answer is given again.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.seconds = seconds
        self.bytes = 0
        self.version: str | None = None

    def find(self, keys: Sequence[bytes], now: float) -> list[Entry | None]:
        """Find the answers of rows; None where there is none, or one that is too old.

        Args:
            keys: The keys of the rows.
            now: The time, in the event loop's clock.
        """
        found = list(map(self._entries.get, keys))
        if min(map(_until, filter(None, found)), default=inf) <= now:
            for place, entry in enumerate(found):
                if entry is not None and entry[0] <= now:
                    self._drop(keys[place])
                    found[place] = None
        deque(map(self._entries.move_to_end, compress(keys, found)), maxlen=0)
        return found

    def meet(self, version: str | None) -> None:
        """Take note of the version that answers now: what another one gave is dropped."""
        if version != self.version:
            self._entries.clear()
            self.bytes, self.version = 0, version

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an answer, and drop those that were not used for the longest time where there is no room.

        One that is larger than the cache drops none.
        """
        self._drop(key)
        size = _size(key, entry)
        if size > self._most:
            return
        self._entries[key] = entry
        self.bytes += size
        while self.bytes > self._most:
            self.bytes -= _size(*self._entries.popitem(last=False))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= _size(key, entry)


class RouteAnswers:
    """The answers of one model in a cache of several, each of which has a version of its own.

    What another version gave is never found again, and makes room like any other answer.

    Args:
        cache: The cache.
        number: The model's, which no other has.

    Attributes:
        version: The version of the model that gave all that is found.
        seconds: How long an answer is given again.
    """

    def __init__(self, cache: AnswerCache, number: int) -> None:
        self._cache = cache
        self._number = number
        self._versions = 0
        self._head = b""
        self.seconds = cache.seconds
        self.version: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._head = struct.pack("<QQ", self._number, self._versions)

    def find(self, keys: Sequence[bytes], now: float) -> list[Entry | None]:
        """Find the answers of rows; see ``AnswerCache.find``."""
        head = self._head
        return self._cache.find([head + key for key in keys], now)

    def meet(self, version: str | None) -> None:
        """Take note of the version that answers now; see ``AnswerCache.meet``."""
        if version != self.version:
            self.version = version
            self._versions += 1
            self._begin()

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an answer; see ``AnswerCache.put``."""
        self._cache.put(self._head + key, entry)

    @property
    def bytes(self) -> int:
        """How many the whole cache has."""
        return self._cache.bytes


def _size(key: bytes, entry: Entry) -> int:
    return _PLACE + getsizeof(key) + getsizeof(entry) + sum(map(getsizeof, entry[2:]))
