"""What messages say about a server, an answer of its, and a call that got none."""

from __future__ import annotations

import json

from pyflink_triton._units import format_duration
from pyflink_triton.http.transport import CallError, Reply
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.fault import Fault
from pyflink_triton.protocol.kserve_v2 import excerpt
from pyflink_triton.remedies import Remedy

_MAX_WORDS = 2000

_SENTENCES: dict[Fault, str] = {
    Fault.REFUSED: f"Failed to connect to Triton server at {{base}}: {{words}}. {Remedy.CHECK_SERVER()}",
    Fault.DNS: f"Failed to connect to Triton server: the host of {{base}} has no address. {Remedy.CHECK_ENDPOINT()}",
    Fault.CONNECT_TIMEOUT: "Failed to connect to Triton server at {base}: Request timed out after {limit} before there "
    f"was a connection. {Remedy.CHECK_SERVER()}",
    Fault.TLS: "Failed to connect to Triton server at {base}: the TLS handshake failed: {words}. "
    f"{Remedy.CHECK_TLS()}",
    Fault.TIMEOUT: f"Request timed out after {{limit}} at {{base}}. {Remedy.RAISE_TIMEOUT()}",
    Fault.RESET: "the connection to {base} broke before an answer: {words}",
    Fault.CUT: "the connection to {base} broke inside an answer",
    Fault.NONSENSE: f"what answers at {{base}} does not speak HTTP. {Remedy.CHECK_ENDPOINT()}",
}

#: What OpenSSL says of an answer that is no TLS.
_NO_TLS = ("wrong version number", "record layer failure", "packet length too long", "http request")
_NOT_TLS = (
    "Failed to connect to Triton server at {base}: what answers there does not speak TLS ({words}). "
    f"{Remedy.WRITE_HTTP()}"
)
#: Servers that speak plain HTTP, as Triton does, or miss a certificate, do not always say so before they hang up.
_MAYBE_PLAIN_OR_CERTIFICATE = f". {Remedy.WRITE_HTTP_OR_SHOW_CERTIFICATE()}"
#: What to do where something else than Triton answers.
CHECK = Remedy.CHECK_ENDPOINT()
#: What servers and gateways answer for what they do not let through; which that was is in the message.
_REFUSALS = frozenset({401, 403, 404, 405, 501})
#: What Triton itself says with 404.
_NO_SUCH_MODEL = "unknown model"


def where(options: Options, base: str) -> str:
    """Name the model and the endpoint.

    Args:
        options: The model's options.
        base: The endpoint's base URL.
    """
    version = options.model_version
    named = f"'{options.model_name}'" + (f" version {version}" if version else "")
    return f"Triton's model {named} at {base}"


def said(reply: Reply) -> str:
    """What an answer that is no success says: Triton's words, or an excerpt of something else's.

    Args:
        reply: The answer.
    """
    try:
        words = str(json.loads(reply.body)["error"])[:_MAX_WORDS]
    except (ValueError, TypeError, KeyError, RecursionError):
        words = excerpt(reply.body)
    asked = f" for {reply.path}" if reply.status in _REFUSALS else ""
    return f"HTTP {reply.status}{asked}: {words}"


def answered(options: Options, base: str, reply: Reply) -> str:
    """Say what the model's server answered that is no success.

    Args:
        options: The model's options.
        base: The endpoint's base URL.
        reply: The answer.
    """
    sentence = f"{where(options, base)} answered {said(reply)}"
    return f"{sentence}. {CHECK}" if reply.status in (404, 405) and hides(reply) else sentence


def hides(reply: Reply) -> bool:
    """Whether an answer says that what was asked for is not to be had, and nothing about the model.

    Args:
        reply: The answer.
    """
    return reply.status in _REFUSALS and _NO_SUCH_MODEL not in said(reply).lower()


def no_answer(error: CallError, base: str, limit: float) -> str:
    """Say why a call got no answer.

    Args:
        error: What the transport found.
        base: The endpoint's base URL.
        limit: Seconds that the call had.
    """
    is_plain = error.fault is Fault.TLS and error.words in _NO_TLS
    sentence = _NOT_TLS if is_plain else _SENTENCES[error.fault]
    is_cut_short = error.fault in (Fault.REFUSED, Fault.RESET) and "reset" in error.words
    if is_cut_short and base.startswith("https:"):
        sentence += _MAYBE_PLAIN_OR_CERTIFICATE
    return sentence.format(base=base, words=error.words, limit=format_duration(limit))
