"""A request as it goes out: named, compressed where asked for, and written once however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflink_triton.delivery.request import Request
from pyflink_triton.http.compression import compress
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.kserve_v2 import HEADER_LENGTH

#: Compressing more than this is done beside the event loop.
_ASIDE_BYTES = 1 << 17


@dataclass
class Letter:
    """A request as it goes out.

    Attributes:
        request: The request.
        name: Its id, in the JSON of every call.
        buffers: The HTTP body, in parts.
        headers: The HTTP headers beside those of every call.
        calls: How often it was sent.
    """

    request: Request
    name: str
    buffers: Sequence[bytes | memoryview]
    headers: Mapping[str, str]
    calls: int = 0


async def write_letter(request: Request, name: str, options: Options) -> Letter:
    """Write a request's body and headers.

    Args:
        request: The request.
        name: Its id.
        options: The model's options.
    """
    header = b'{"id":"%b",%b' % (name.encode(), request.header[1:])
    buffers: Sequence[bytes | memoryview] = (header, *request.tensors)
    headers = {HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"}
    encoding = options.compression
    if encoding is not None:
        size = sum(map(len, buffers))
        if size >= options.compression_min_bytes:
            if size > _ASIDE_BYTES:
                buffers = (await asyncio.to_thread(compress, buffers, encoding),)
            else:
                buffers = (compress(buffers, encoding),)
            headers["Content-Encoding"] = encoding
    return Letter(request, name, buffers, headers)
