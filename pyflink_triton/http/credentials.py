"""The headers of every call. Secrets that they refer to are read on the machine that sends, and stored nowhere."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pyflink_triton.errors import AccessError
from pyflink_triton.options.options import Options
from pyflink_triton.remedies import Remedy

_REFERENCE = re.compile(r"\$\{SECRET:([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_DIRECTORY = "PYFLINK_TRITON_SECRETS_DIR"
_VARIABLE = "PYFLINK_TRITON_SECRET_"
_MAX_BYTES = 1 << 16
#: A shorter text is part of many words, so it is not masked.
_SHORTEST = 6


class Credentials:
    """Custom headers and the token, resolved.

    Args:
        options: The model's options.
        environment: Where secrets are looked for.

    Raises:
        AccessError: A secret is missing, or a header cannot hold it.
    """

    def __init__(self, options: Options, environment: Mapping[str, str] = os.environ) -> None:
        written = dict(options.custom_headers)
        self._has_token = options.auth_token is not None
        if options.auth_token is not None:
            written["Authorization"] = options.auth_token
        self._written = written
        self._environment = environment
        self._refers = any(_REFERENCE.search(value) for value in written.values())
        self._secrets: set[str] = set()
        self._spelt: re.Pattern[bytes] | None = None
        for _, literal in _literals(options):
            self._keep(literal)
        self.generation = 0
        self.headers = self._resolve()

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._written)})"

    def __reduce__(self) -> str:
        raise TypeError("credentials stay on the machine that read them")

    def renew(self, used: int) -> bool:
        """Read the secrets again after the server refused us.

        Args:
            used: The ``generation`` that was refused.

        Returns:
            Whether there are other headers to try now.
        """
        if not self._refers:
            return False
        if used == self.generation:
            found = self._resolve()
            if found != self.headers:
                self.headers, self.generation = found, used + 1
        return used != self.generation

    def redact(self, words: bytes | bytearray) -> bytes | bytearray:
        """Mask the secrets in a server's text: some servers that refuse a call print its headers.

        Args:
            words: An answer's body.
        """
        if self._spelt is None and self._secrets:
            secrets = sorted(self._secrets, key=len, reverse=True)
            self._spelt = re.compile("|".join(map(_spelt, secrets)).encode())
        return words if self._spelt is None else self._spelt.sub(b"***", words)

    def _keep(self, secret: str) -> None:
        """Remember a secret with and without its scheme, so that messages never show it, even once it is renewed."""
        texts = {text for text in (secret, secret.rpartition(" ")[2]) if len(text) >= _SHORTEST}
        if not texts <= self._secrets:
            self._secrets |= texts
            self._spelt = None

    def _resolve(self) -> dict[str, str]:
        found = {name: _REFERENCE.sub(self._secret, value) for name, value in self._written.items()}
        # A token with a space brings its scheme with it.
        if self._has_token and " " not in found["Authorization"]:
            found["Authorization"] = f"Bearer {found['Authorization']}"
        return found

    def _secret(self, reference: re.Match[str]) -> str:
        name = reference.group(1)
        if not _NAME.fullmatch(name):
            raise AccessError(f"a secret's name may hold letters, digits, '.', '_' and '-': {Remedy.NAME_SECRET()}")
        value = self._read(name)
        if not value or not value.isascii() or not value.isprintable():
            raise AccessError(f"the secret '{name}' is empty or not plain ASCII on one line, as a header needs it")
        self._keep(value)
        return value

    def _read(self, name: str) -> str:
        directory = self._environment.get(_DIRECTORY)
        if directory:
            root = Path(directory).resolve()
            path = (root / name).resolve()
            if path.is_file():
                if not path.is_relative_to(root):
                    raise AccessError(f"the secret '{name}' is a link out of the directory in {_DIRECTORY}")
                try:
                    with path.open("rb") as file:
                        return file.read(_MAX_BYTES).decode("utf-8", "replace").strip()
                except OSError as error:
                    raise AccessError(f"the secret '{name}' cannot be read: {error.strerror}") from None
        variable = _VARIABLE + re.sub(r"[.-]", "_", name).upper()
        value = self._environment.get(variable)
        if value is None:
            raise AccessError(
                f"the secret '{name}' is neither a file in the directory that {_DIRECTORY} names nor the environment "
                f"variable {variable}. {Remedy.PROVIDE_SECRET()}"
            )
        return value.strip()


def literal_secret(options: Options) -> str | None:
    """A warning where a token is written into the statement itself, else None.

    Args:
        options: The model's options.
    """
    keys = [key for key, _ in _literals(options)]
    if not keys:
        return None
    return (
        f"option '{keys[0]}' holds a token itself, which Flink shows in SHOW CREATE and in compiled plans. "
        + Remedy.REFER_TO_SECRET()
    )


def _literals(options: Options) -> list[tuple[str, str]]:
    """The options that hold a token itself, and the tokens."""
    written = [("auth-token", options.auth_token or "")]
    written += [(f"custom-headers.{name}", value) for name, value in options.custom_headers if name.lower() in _SECRET]
    return [(key, value) for key, value in written if value and not _REFERENCE.search(value)]


def _spelt(secret: str) -> str:
    """A pattern of a secret as servers may write it: as it is, or with the escapes of JSON, HTML or URLs."""
    return "".join(each if each.isalnum() else _spellings(each) for each in secret)


def _spellings(each: str) -> str:
    code, itself = ord(each), re.escape(each)
    escapes = rf"(?i:\\u{code:04x}|&#{code};|&#x{code:x};|%{code:02x})"
    return rf"(?:{itself}|\\{itself}|{re.escape(html.escape(each))}|{escapes})"


_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key"})
