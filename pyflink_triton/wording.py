"""What messages say about a server, an answer of its, and a call that got none."""

from __future__ import annotations

import json

from pyflink_triton.options import Options
from pyflink_triton.outcomes import Fault
from pyflink_triton.transport import CallError
from pyflink_triton.units import format_duration
from pyflink_triton.wire import excerpt

_MAX_WORDS = 2000

_SENTENCES: dict[Fault, str] = {
    Fault.REFUSED: "Failed to connect to Triton server at {base}: {words}. "
    "Check that the server runs and that the option 'endpoint' is right",
    Fault.DNS: "Failed to connect to Triton server: the host of {base} has no address. Check the option 'endpoint'",
    Fault.CONNECT_TIMEOUT: "Failed to connect to Triton server at {base}: Request timed out after {limit} before there "
    "was a connection. Check that the server runs and that the option 'endpoint' is right",
    Fault.TLS: "Failed to connect to Triton server at {base}: the TLS handshake failed: {words}. "
    "Check the options 'tls-ca-file', 'tls-cert-file' and 'tls-verify', and that the endpoint is https",
    Fault.TIMEOUT: "Request timed out after {limit} at {base}. "
    "Raise the option 'timeout', or see why the model is slow",
    Fault.RESET: "the connection to {base} broke before an answer: {words}",
    Fault.CUT: "the connection to {base} broke inside an answer",
    Fault.NONSENSE: "what answers at {base} does not speak HTTP. Check the option 'endpoint'",
}

#: Servers that miss a certificate do not always say so before they hang up.
_MAYBE_CLIENT_CERTIFICATE = ". The server may want a certificate of this side: the option 'tls-cert-file'"


def where(options: Options, base: str) -> str:
    """Name the model and the endpoint.

    Args:
        options: The model's options.
        base: The endpoint's base URL.
    """
    version = options.model_version
    named = f"'{options.model_name}'" + (f" version {version}" if version else "")
    return f"Triton's model {named} at {base}"


def said(status: int, body: bytes) -> str:
    """What an answer that is no success says: Triton's words, or an excerpt of something else's.

    Args:
        status: The HTTP status.
        body: The HTTP body.
    """
    try:
        words = str(json.loads(body)["error"])[:_MAX_WORDS]
    except (ValueError, TypeError, KeyError, RecursionError):
        words = excerpt(body)
    return f"HTTP {status}: {words}"


def no_answer(error: CallError, base: str, limit: float) -> str:
    """Say why a call got no answer.

    Args:
        error: What the transport found.
        base: The endpoint's base URL.
        limit: Seconds that the call had.
    """
    sentence = _SENTENCES[error.fault].format(base=base, words=error.words, limit=format_duration(limit))
    is_cut_short = error.fault in (Fault.REFUSED, Fault.RESET) and "reset" in error.words
    return sentence + _MAYBE_CLIENT_CERTIFICATE if is_cut_short and base.startswith("https:") else sentence
