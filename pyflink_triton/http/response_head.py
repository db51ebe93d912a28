"""The head of an HTTP/1.1 response, read strictly: its status, its headers, and where its body ends."""

from __future__ import annotations

from functools import lru_cache

import httptools

#: The most bytes of a head.
MAX_HEAD_BYTES = 1 << 16
#: The most headers of a head.
MAX_HEADERS = 256
#: A Content-Length has fewer digits.
_MAX_DIGITS = 19


class BadResponse(Exception):
    """What came is not a response of HTTP/1.1."""


class ResponseHead:
    """A head as it is read; the first of two headers of one name counts.

    Attributes:
        status: The HTTP status.
        headers: The headers by their names in lower case.
        length: The body's bytes; None where the head does not say how many.
        is_chunked: Whether the body comes in chunks; without these and without a length, the connection's end ends it.
        keeps_alive: Whether the server takes another request on this connection.
        is_read: Whether the head is complete.
    """

    __slots__ = ("_count", "_encodings", "_lengths", "_parser", "headers", "is_chunked", "is_read", "keeps_alive",
                 "length", "status")  # fmt: skip

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.length: int | None = None
        self.is_chunked = False
        self.keeps_alive = False
        self.is_read = False
        self._count = 0
        self._lengths: list[str] = []
        self._encodings: list[str] = []
        self._parser: httptools.HttpResponseParser | None = None

    def feed(self, data: memoryview) -> None:
        """Read a part of the head, and nothing of what is behind it.

        Raises:
            BadResponse: It is not a head of HTTP/1.1.
        """
        if self.is_read:
            raise BadResponse("a head that ends twice")
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise BadResponse("the server switches protocols") from None
        except httptools.HttpParserError as error:
            # What a callback raised stands behind the parser's own error.
            cause = error.__context__
            raise BadResponse(str(cause if isinstance(cause, BadResponse) else error)) from None
        if self.is_read:
            self._parser = None  # it holds this object
            self._conclude(parser)

    def _conclude(self, parser: httptools.HttpResponseParser) -> None:
        self.status = parser.get_status_code()
        if self.status == 101:
            raise BadResponse("the server switches protocols")
        self.keeps_alive = self.keeps_alive and parser.get_http_version() == "1.1"
        if self._encodings:
            if self._lengths or self._encodings != ["chunked"]:
                raise BadResponse("a body of two lengths, or of an unknown transfer encoding")
            self.is_chunked = True
        elif self.status in (204, 304):
            self.length = 0
        elif self._lengths:
            text, *others = self._lengths
            if others or not (text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS):
                raise BadResponse("a bad Content-Length")
            self.length = int(text)
        else:
            self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; httptools calls it."""
        self._count += 1
        if self._count > MAX_HEADERS:
            raise BadResponse("too many headers")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "content-length":
            self._lengths.append(text)
        elif key == "transfer-encoding":
            self._encodings.append(text.lower())
        self.headers.setdefault(key, text)

    def on_headers_complete(self) -> None:
        """Note the end of the head; httptools calls it."""
        assert self._parser is not None
        self.is_read = True
        self.keeps_alive = self._parser.should_keep_alive()  # later it is wrong where there is no body


@lru_cache(maxsize=128)
def read_again(data: bytes) -> ResponseHead:
    """Read a whole head, which is often that of a response before. Nothing changes it any more.

    Raises:
        BadResponse: It is not a head of HTTP/1.1.
    """
    head = ResponseHead()
    head.feed(memoryview(data))
    return head
