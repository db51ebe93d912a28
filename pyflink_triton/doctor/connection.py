"""Whether each endpoint can be reached: the proxy, the name, the port, TLS, and what answers there."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Awaitable
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from pyflink_triton.delivery.error_messages import describe_no_response
from pyflink_triton.doctor.findings import Finding, fault, ok, parted, skipped, warning
from pyflink_triton.doctor.subject import Answer, Known, Subject
from pyflink_triton.errors import ContractError, Listener, WrongPortError
from pyflink_triton.http.environment_proxies import environment_proxies
from pyflink_triton.http.host_addresses import HostAddresses
from pyflink_triton.http.tls import speaks_tls, tls_context
from pyflink_triton.options.options import Options
from pyflink_triton.protocol.failures import ErrorResponse, Fault, NoResponseError
from pyflink_triton.remedies import Remedy

_PORTS = {"http": 80, "https": 443}
#: How each port that is not Triton's HTTP is called in a finding's id.
_LISTENERS = {Listener.GRPC: "grpc", Listener.METRICS: "metrics", Listener.OTHER: "not-triton"}
#: Faults of what answers, once there is a connection.
_ANSWERED_BADLY = {
    Fault.TIMEOUT: "no-answer",
    Fault.RESET: "hangs-up",
    Fault.CUT: "hangs-up",
    Fault.NONSENSE: "not-http",
}
#: What OpenSSL says of a certificate, and how that is called in a finding's id.
_CERTIFICATES = (
    ("expired", "expired"),
    ("mismatch", "wrong-name"),
    ("not yet valid", "not-yet-valid"),
    ("issuer certificate", "unknown-authority"),
    ("self-signed", "unknown-authority"),
    ("self signed", "unknown-authority"),
)
_SOON = datetime.timedelta(days=14)


def address(url: str) -> tuple[str, int]:
    """The host and the port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)


def _proxy_of(options: Options, base: str) -> str | None:
    """The URL of the proxy in front of an endpoint, without what may be a password."""
    parts = urlsplit(base)
    proxy = environment_proxies(options).get(f"{parts.scheme}://{parts.netloc}")
    if proxy is None:
        return None
    host, port = address(proxy)
    return f"{urlsplit(proxy).scheme}://{host}:{port}"


async def _connects(url: str, seconds: float) -> str | None:
    """Why nobody accepts a connection; None where somebody does."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*address(url)), seconds)
    except asyncio.TimeoutError:
        return f"nobody accepted the connection within {seconds:g} s"
    except OSError as error:
        return (error.strerror or str(error)).rstrip(".")
    writer.close()
    return None


async def check_proxy(subject: Subject, known: Known) -> list[Finding]:
    """Whether the proxies of the environment that stand in front of endpoints can be reached."""
    found = []
    for base in list(known.bases):
        proxy = _proxy_of(known.needed_options, base)
        if proxy is None:
            continue
        problem = await _connects(proxy, known.seconds)
        if problem is None:
            found.append(ok("proxy", f"{base} is asked through the proxy {proxy}", endpoint=base, proxy=proxy))
            continue
        known.bases.remove(base)
        sentence = f"the proxy {proxy} of the environment, which stands before {base}, cannot be reached: {problem}"
        found.append(fault("proxy", "unreachable", sentence, Remedy.CORRECT_PROXY(), endpoint=base, proxy=proxy))
    return found or [_no_proxy(known.needed_options)]


def _no_proxy(options: Options) -> Finding:
    names = [f"{scheme.upper()}_PROXY" for scheme in ("http", "https") if getproxies_environment().get(scheme)]
    if not names:
        return skipped("proxy", "the environment has no proxy")
    why = "the host is in NO_PROXY" if options.proxy_from_environment else "'proxy-from-environment' is false"
    return ok("proxy", f"{' and '.join(names)} of the environment: no endpoint is asked through it, because {why}")


async def ask_versions(known: Known) -> None:
    """Ask each endpoint for its version, once: the checks below read what came of it."""
    client = known.needed_client
    for base in known.bases:
        known.answers[base] = await _version(client.transport.server_version(base))


async def _version(asking: Awaitable[str]) -> Answer:
    try:
        return await asking
    except (NoResponseError, ErrorResponse, ContractError) as error:
        return error


async def check_name(subject: Subject, known: Known) -> list[Finding]:
    """Whether the host of each endpoint has an address."""
    await ask_versions(known)
    found = []
    for base in list(known.bases):
        host, port = address(base)
        answer = known.answers[base]
        if _proxy_of(known.needed_options, base) is not None:
            found.append(skipped("dns", f"the proxy looks up the host of {base}"))
        elif isinstance(answer, NoResponseError) and answer.fault is Fault.DNS:
            known.bases.remove(base)
            said = describe_no_response(base, "Triton", answer)
            found.append(fault("dns", "no-address", said, endpoint=base, host=host))
        else:
            addresses = sorted({found[4][0] for found in await _addresses(host, port)})
            words = "is an address" if addresses == [host] else f"has the address {', '.join(addresses)}"
            found.append(ok("dns", f"{host} {words}", endpoint=base, addresses=addresses))
    return found


async def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    try:
        return list(await HostAddresses().of(host, port))
    except OSError:
        return []


async def check_port(subject: Subject, known: Known) -> list[Finding]:
    """Whether somebody accepts connections at each endpoint."""
    found = []
    for base in list(known.bases):
        answer, (host, port) = known.answers[base], address(base)
        if _proxy_of(known.needed_options, base) is not None:
            found.append(skipped("tcp", f"the proxy connects to {base}"))
        elif isinstance(answer, NoResponseError) and await _is_not_accepted(base, answer, known.seconds):
            known.bases.remove(base)
            name = "timeout" if answer.fault is Fault.CONNECT_TIMEOUT else "refused"
            found.append(fault("tcp", name, describe_no_response(base, "Triton", answer), endpoint=base))
        else:
            found.append(ok("tcp", f"{host}:{port} accepts connections", endpoint=base))
    return found


async def _is_not_accepted(base: str, error: NoResponseError, seconds: float) -> bool:
    """Whether there was no connection; with https the call's time may have been over, or cut off, in the handshake."""
    if error.fault not in (Fault.REFUSED, Fault.CONNECT_TIMEOUT):
        return False
    return base.startswith("http:") or await _connects(base, seconds) is not None


async def check_tls(subject: Subject, known: Known) -> list[Finding]:
    """Whether both sides of each https endpoint trust each other, and http is not spoken to a port of TLS."""
    found = []
    for base in list(known.bases):
        answer = known.answers[base]
        problem = await _tls_problem(base, answer, known)
        if problem is not None:
            known.bases.remove(base)
            found.append(problem)
        elif base.startswith("https:") and not isinstance(answer, NoResponseError | WrongPortError):
            found.append(await _certificate(base, known.needed_options, known.seconds))
    return found or [skipped("tls", "no endpoint is https")]


async def _tls_problem(base: str, answer: Answer, known: Known) -> Finding | None:
    if isinstance(answer, WrongPortError) and answer.listener is Listener.TLS:
        return fault("tls", "needed", str(answer), endpoint=base)
    if not isinstance(answer, NoResponseError) or not base.startswith("https:"):
        return None
    said = describe_no_response(base, "Triton", answer)
    if answer.fault is Fault.TLS:
        name = next((name for words, name in _CERTIFICATES if words in answer.details), None)
        if name is not None:
            return fault("tls", name, said, _trust(name, known.needed_options), endpoint=base)
    if answer.fault is Fault.TLS and "alert" not in answer.details and Remedy.WRITE_HTTP() in said:
        return fault("tls", "plain-server", said, endpoint=base)
    if answer.fault not in (Fault.TLS, Fault.REFUSED, Fault.RESET, Fault.CONNECT_TIMEOUT):
        return None
    return await _cut_off(base, answer, said, known)


def _trust(name: str, options: Options) -> str:
    """What to do about a server's certificate."""
    if name == "unknown-authority" and options.tls_ca_file is None:
        return Remedy.SET_OPTION_TOO(key="tls-ca-file")
    remedies = {"expired": Remedy.RENEW_CERTIFICATE, "wrong-name": Remedy.WRITE_CERTIFIED_HOST}
    return remedies.get(name, Remedy.CHECK_TLS)()


async def _cut_off(base: str, answer: NoResponseError, said: str, known: Known) -> Finding:
    """A handshake that the server ended: it speaks no TLS, or wants a certificate that it can trust."""
    host, port = address(base)
    if not await speaks_tls(host, port) and await _answers_plainly(host, port, known.seconds):
        sentence, _ = parted(said)
        remedy = Remedy.WRITE_HTTP()
        return fault("tls", "plain-server", f"{sentence}: it speaks plain HTTP", remedy, endpoint=base)
    if answer.fault is Fault.CONNECT_TIMEOUT:
        return fault("tls", "timeout", said, Remedy.CHECK_TLS(), endpoint=base)
    has_own = known.needed_options.tls_cert_file is not None
    remedy = Remedy.CHECK_TLS() if has_own else Remedy.SET_OPTION_TOO(key="tls-cert-file")
    refused = "does not accept the client certificate" if has_own else "asks for a client certificate"
    sentence = f"{base} {refused}: {answer.details}"
    return fault("tls", "client-certificate", sentence, remedy, endpoint=base)


async def _answers_plainly(host: str, port: int, seconds: float) -> bool:
    async def ask() -> bool:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET /v2 HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return await reader.readexactly(5) == b"HTTP/"
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(ask(), seconds)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
        return False


async def _certificate(base: str, options: Options, seconds: float) -> Finding:
    """What a server that is trusted showed, and for how long that is valid."""
    if not options.tls_verify:
        said = f"the certificate of {base} is not checked, because 'tls-verify' is false"
        return warning("tls", "not-verified", said, Remedy.LEAVE_OUT(), endpoint=base)
    if _proxy_of(options, base) is not None:
        return ok("tls", f"{base} has a certificate that is trusted", endpoint=base)
    host, port = address(base)
    try:
        opening = asyncio.open_connection(host, port, ssl=tls_context(options))
        _, writer = await asyncio.wait_for(opening, seconds)
    except (OSError, asyncio.TimeoutError):
        return ok("tls", f"{base} has a certificate that is trusted", endpoint=base)
    shown = writer.get_extra_info("ssl_object")
    version, until = shown.version(), str(shown.getpeercert()["notAfter"])
    writer.transport.abort()
    left = datetime.timedelta(seconds=ssl.cert_time_to_seconds(until) - time.time())
    facts = {"endpoint": base, "version": version, "until": until}
    said = f"the certificate of {base} is trusted ({version}), and is valid until {until}"
    return (
        warning("tls", "expires-soon", said, Remedy.RENEW_CERTIFICATE(), **facts)
        if left < _SOON
        else ok("tls", said, **facts)
    )


async def check_http(subject: Subject, known: Known) -> list[Finding]:
    """Whether what answers at each endpoint is Triton's HTTP port."""
    found = []
    for base in list(known.bases):
        answer = known.answers[base]
        problem = _http_problem(base, answer)
        if problem is not None:
            found.append(problem)
            known.bases.remove(base)
        elif isinstance(answer, ErrorResponse) and answer.hides and answer.status not in (401, 403):
            said = f"{base} answered {answer.description}: it may be no Triton, or let only inferences through"
            found.append(warning("http", "hidden", said, Remedy.CHECK_ENDPOINT(), endpoint=base))
        else:
            server = known.needed_client.transport.server(base)
            found.append(ok("http", f"{base} is an HTTP port of {server}'s protocol", endpoint=base))
    return found


def _http_problem(base: str, answer: Answer) -> Finding | None:
    if isinstance(answer, WrongPortError):
        return fault("http", _LISTENERS[answer.listener], str(answer), endpoint=base)
    if isinstance(answer, ContractError):
        return fault("http", "not-triton", str(answer), Remedy.CHECK_ENDPOINT(), endpoint=base)
    if isinstance(answer, ErrorResponse) and answer.status == 404 and not answer.hides:
        sentence = f"what answers at {base} is Triton's HTTP port, and has nothing at this path: {answer.description}"
        return fault("http", "path", sentence, Remedy.CHECK_PATH(), endpoint=base)
    if isinstance(answer, NoResponseError):
        said = describe_no_response(base, "Triton", answer)
        name = _ANSWERED_BADLY.get(answer.fault, "no-answer")
        sentence = f"{base} accepts a connection, and gives no answer: {parted(said)[0]}"
        return fault("http", name, sentence, Remedy.CHECK_SERVER(), endpoint=base)
    return None
