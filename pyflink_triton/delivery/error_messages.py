"""What messages say about a model's server, its error responses, and calls that got no response."""

from __future__ import annotations

from pyflink_triton._units import format_duration
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import Cause, ErrorResponse, Fault, NoResponseError
from pyflink_triton.remedies import Remedy

_MESSAGES: dict[Fault, str] = {
    Fault.REFUSED: f"Failed to connect to {{server}} server at {{base}}: {{details}}. {Remedy.CHECK_SERVER()}",
    Fault.DNS: "Failed to connect to {server} server: the host of {base} has no address. "
    f"{Remedy.CHECK_ENDPOINT()}",
    Fault.CONNECT_TIMEOUT: "Failed to connect to {server} server at {base}: Request timed out after {seconds} before "
    f"there was a connection. {Remedy.CHECK_SERVER()}",
    Fault.TLS: "Failed to connect to {server} server at {base}: the TLS handshake failed: {details}. "
    f"{Remedy.CHECK_TLS()}",
    Fault.TIMEOUT: f"Request timed out after {{seconds}} at {{base}}. {Remedy.RAISE_TIMEOUT()}",
    Fault.NOT_STARTED: "Request timed out after {seconds} at {base}, before a first response. "
    f"{Remedy.RAISE_TIMEOUT()}",
    Fault.STOPPED: f"Request timed out after {{seconds}} at {{base}}, between two responses. {Remedy.RAISE_TIMEOUT()}",
    Fault.OVERDUE: f"Request timed out at {{base}}, while responses came. {Remedy.RAISE_TOTAL()}",
    Fault.UNFINISHED: f"the stream of responses from {{base}} ended without {{details}}. {Remedy.ASK_FOR_FINISH()}",
    Fault.RESET: "the connection to {base} broke before an answer: {details}",
    Fault.CUT: "the connection to {base} broke inside an answer",
    Fault.NONSENSE: f"what answers at {{base}} does not speak HTTP. {Remedy.CHECK_ENDPOINT()}",
}

#: What OpenSSL says where the other side does not speak TLS.
_NO_TLS = ("wrong version number", "record layer failure", "packet length too long", "http request")
_NOT_TLS = (
    "Failed to connect to {server} server at {base}: what answers there does not speak TLS ({details}). "
    f"{Remedy.WRITE_HTTP()}"
)
#: A server that speaks plain HTTP, as Triton does, or that wants a certificate may hang up without saying so.
_MAYBE_PLAIN_OR_CERTIFICATE = f". {Remedy.WRITE_HTTP_OR_SHOW_CERTIFICATE()}"


def describe_model(options: Options, base: str, server: str) -> str:
    """Name the model and the endpoint.

    Args:
        options: The model's options.
        base: The endpoint's base URL.
        server: The kind of server that it is.
    """
    version = options.model_version
    named = f"'{options.model_name}'" + (f" version {version}" if version else "")
    return f"{server}'s model {named} at {base}"


def describe_error(options: Options, base: str, server: str, error: ErrorResponse) -> str:
    """Say which error the model's server answered.

    Args:
        options: The model's options.
        base: The endpoint's base URL.
        server: The kind of server that it is.
        error: The error.
    """
    message = f"{describe_model(options, base, server)} answered {error.description}"
    if error.cause is Cause.DECOUPLED:
        return f"{message}. {Remedy.SET_RESPONSES()}"
    is_elsewhere = error.hides and error.status in (404, 405)
    return f"{message}. {Remedy.CHECK_ENDPOINT()}" if is_elsewhere else message


def describe_no_response(base: str, server: str, error: NoResponseError) -> str:
    """Say why a call got no response.

    Args:
        base: The endpoint's base URL.
        server: The kind of server that it is, as far as it is known.
        error: What the transport found.
    """
    is_plain = error.fault is Fault.TLS and error.details in _NO_TLS
    message = _NOT_TLS if is_plain else _MESSAGES[error.fault]
    is_cut_short = error.fault in (Fault.REFUSED, Fault.RESET) and "reset" in error.details
    if is_cut_short and base.startswith("https:"):
        message += _MAYBE_PLAIN_OR_CERTIFICATE
    return message.format(base=base, server=server, details=error.details, seconds=format_duration(error.seconds))
