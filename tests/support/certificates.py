"""Certificates for tests, made by the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key.

    Attributes:
        pem: The certificate's file.
        key: Its key's.
    """

    pem: Path
    key: Path


class Authority:
    """Signs certificates, all in one directory.

    Args:
        directory: Where the files go.
        name: The authority's name.
    """

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self.pem, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        _openssl("req", "-x509", *_NEW, self._key, "-out", self.pem, "-subj", f"/CN={name}", "-days", "30")

    def sign(self, name: str, host: str = "IP:127.0.0.1", days: int = 30) -> Certificate:
        """Make a certificate; with `days` below 0 it is expired."""
        made = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        _openssl("req", *_NEW, made.key, "-out", request, "-subj", f"/CN={name}")
        signer = ("-CA", self.pem, "-CAkey", self._key, "-CAcreateserial", "-days", str(days))
        _openssl("x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", made.pem)
        return made


_NEW = ("-newkey", "rsa:2048", "-nodes", "-keyout")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def serving(certificate: Certificate, clients: Path | None = None, *, newest: bool = True) -> ssl.SSLContext:
    """The TLS of a server; with `clients` it demands a certificate that this authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.pem, certificate.key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
