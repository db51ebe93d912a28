"""Answers that are kept for rows that come again: the latest used, up to a number of bytes, for a while."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import compress, count
from math import inf
from operator import itemgetter
from sys import getsizeof
from typing import Any

#: Until when an answer may be given, what its values are, and the values: of each output one.
Entry = tuple[Any, ...]
#: What an entry takes beside its key, its tuple and its values: its place in the table, its node, its time.
_PLACE = 160
#: What Arrow takes for an array of one value beside its content, and for each of its buffers: memory that is aligned.
_ARRAY, _BUFFER = 400, 280
_until = itemgetter(0)


class _Version:
    """Which version of a model answers now.

    Args:
        on_new: Called when it is another one than before.
    """

    def __init__(self, on_new: Callable[[], None]) -> None:
        self._on_new = on_new
        self._version: str | None = None
        #: When the first call began that this version answered.
        self._since = -inf

    def meet(self, version: str | None, began: float) -> bool:
        """Take note of the version of an answer; see ``AnswerCache.meet``."""
        if version is None or version == self._version:
            return True
        if began < self._since:
            return False
        self._version, self._since = version, began
        self._on_new()
        return True


class AnswerCache:
    """Keeps answers by the keys of their rows, those of one version of the model only.

    Args:
        most: How many bytes it may have, those of the keys and of Python's objects among them.
        seconds: How long an answer is given again.

    Attributes:
        bytes: How many it has.
        seconds: How long an answer is given again.
        meet: Takes note of the version of an answer, None where it says none as a stream of no responses does, and of
            when its call began in the event loop's clock. What another version gave is dropped. Returns whether the
            answer may be kept: not a late one of the version before.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.seconds = seconds
        self.bytes = 0
        self.meet = _Version(self._clear).meet

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

    def _clear(self) -> None:
        self._entries.clear()
        self.bytes = 0

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
        seconds: How long an answer is given again.
        meet: Takes note of the version of an answer; see ``AnswerCache``.
    """

    def __init__(self, cache: AnswerCache, number: int) -> None:
        self._cache = cache
        self._heads = (struct.pack("<QQ", number, versions) for versions in count())
        self._head = next(self._heads)
        self.seconds = cache.seconds
        self.meet = _Version(self._begin).meet

    def _begin(self) -> None:
        self._head = next(self._heads)

    def find(self, keys: Sequence[bytes], now: float) -> list[Entry | None]:
        """Find the answers of rows; see ``AnswerCache.find``."""
        head = self._head
        return self._cache.find([head + key for key in keys], now)

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an answer; see ``AnswerCache.put``."""
        self._cache.put(self._head + key, entry)

    @property
    def bytes(self) -> int:
        """How many the whole cache has."""
        return self._cache.bytes


def _size(key: bytes, entry: Entry) -> int:
    size = _PLACE + getsizeof(key) + getsizeof(entry) + sum(map(getsizeof, entry[2:]))
    if isinstance(entry[2], bytes):
        return size
    return size + sum(_ARRAY + _BUFFER * len(array.buffers()) for array in entry[2:])
