"""A response over HTTP, and what is done with its body, whatever client read it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyflink_triton.errors import ContractError
from pyflink_triton.http.compression import decompress
from pyflink_triton.http.credentials import Credentials
from pyflink_triton.protocol.kserve_v2 import HEADER_KEY

#: The most bytes of a response without tensors: enough for a message and for a model's configuration.
MAX_TEXT_BYTES = 16 << 20


@dataclass(slots=True)
class HttpResponse:
    """A response, whatever its status.

    Attributes:
        status: The HTTP status.
        headers: The HTTP headers; names in lower case find them.
        body: The HTTP body, which nothing changes any more.
        path: The path of the request.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray
    path: str


def is_finished(response: HttpResponse, *, is_inference: bool) -> bool:
    """Whether a response is as it came: it is not compressed, and has no text. See ``finish``."""
    headers = response.headers
    return response.status == 200 and "content-encoding" not in headers and (not is_inference or HEADER_KEY in headers)


async def finish(
    response: HttpResponse, credentials: Credentials, expected: Sequence[str], limit: int, *, is_inference: bool
) -> HttpResponse:
    """Decompress a response's body, and mask secrets in text.

    Args:
        response: The response as it came.
        credentials: Whose secrets are masked.
        expected: The encodings that were asked for.
        limit: The most bytes of the body.
        is_inference: Whether tensors are expected.

    Raises:
        ContractError: The body has an encoding that was not asked for, or does not have the one that it names.
    """
    body: bytes | bytearray = response.body
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        if response.status != 200:
            # The status says most of it; the text is left out where it cannot be read.
            body = b""
            with contextlib.suppress(ContractError):
                body = await decompress(response.body, encoding, limit)
        elif encoding not in expected:
            raise ContractError(
                f"the server answered with a {encoding[:40]!r} body that was not asked for", status=response.status
            )
        else:
            body = await decompress(response.body, encoding, limit)
    # Tensors are left as they are. Text may go into a message.
    if response.status != 200 or (is_inference and HEADER_KEY not in response.headers):
        body = credentials.redact(body)
    return response if body is response.body else replace(response, body=body)
