"""The TLS settings of connections, from the options."""

from __future__ import annotations

import asyncio
import ssl

from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import Options

#: Who speaks TLS greets back sooner.
_GREETING_SECONDS = 1.0


def tls_context(options: Options) -> ssl.SSLContext | None:
    """Make the TLS context for the model's endpoints.

    Args:
        options: The model's options.

    Returns:
        The context; None where no endpoint is ``https``.

    Raises:
        OptionError: A file cannot be read, or holds something else.
    """
    if not any(endpoint.startswith("https:") for endpoint in options.every_endpoint):
        return None
    if options.tls_ca_file is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with _Named("tls-ca-file", options.tls_ca_file):
            context.load_verify_locations(options.tls_ca_file)
    if options.tls_cert_file is not None:
        for key, path in (("tls-cert-file", options.tls_cert_file), ("tls-key-file", options.tls_key_file)):
            if path is not None:
                with _Named(key, path), open(path, "rb"):  # noqa: PTH123  # a Path would expand nothing either
                    pass
        with _Named("tls-cert-file", options.tls_cert_file):
            # Without a password OpenSSL would ask the terminal for it.
            context.load_cert_chain(options.tls_cert_file, options.tls_key_file, password="")
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def greeting_context() -> ssl.SSLContext:
    """A context for a greeting: no secret is sent, so that any certificate will do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server greets as TLS does; it is sent a greeting and no more.

    Args:
        host: The server's host.
        port: The server's port.
    """
    try:
        opening = asyncio.open_connection(host, port, ssl=greeting_context())
        _, writer = await asyncio.wait_for(opening, _GREETING_SECONDS)
    except (OSError, asyncio.TimeoutError):  # an SSLError is an OSError
        return False
    writer.close()
    return True


class _Named:
    """Turns a failure to read a file into one sentence that names the option."""

    def __init__(self, key: str, path: str) -> None:
        self._key = key
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, ssl.SSLError):
            what = "a certificate and its key that belong together, unencrypted" if "cert" in self._key else "PEM"
            raise OptionError(f"option '{self._key}' names '{self._path}', which does not hold {what}") from None
        if isinstance(error, OSError):
            raise OptionError(
                f"option '{self._key}' names '{self._path}', which cannot be read on this machine: {error.strerror}"
            ) from None
