"""TLS: which servers are trusted, what this side shows them, and what is said when one does not trust the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authority, Certificate, serving
from deliveries import MODEL, model, upstream
from fault_proxy import FaultProxy
from triton import Triton

from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.errors import AccessError, OptionError, TritonError
from pyflink_triton.options.validation import parse_options


@dataclass(frozen=True)
class Certificates:
    directory: Path
    authority: Authority
    server: Certificate
    expired: Certificate
    elsewhere: Certificate
    client: Certificate
    stranger: Certificate


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("certificates")
    authority, other = Authority(directory), Authority(directory, "other")
    return Certificates(
        directory,
        authority,
        authority.sign("server"),
        authority.sign("expired", days=-1),
        authority.sign("elsewhere", host="DNS:elsewhere.example"),
        authority.sign("client"),
        other.sign("stranger"),
    )


def ask(triton: Triton, proxy: FaultProxy, options: Mapping[str, str]) -> list[int | None]:
    async def main() -> list[int | None]:
        async with proxy, model(proxy.url, triton.http_url, **options) as one:
            return await one.answers(1, 2)

    return asyncio.run(asyncio.wait_for(main(), 60))


def proxied(
    triton: Triton, certificate: Certificate, clients: Path | None = None, *, newest: bool = True
) -> FaultProxy:
    return FaultProxy(upstream(triton.http_url), tls=serving(certificate, clients, newest=newest))


def test_a_server_with_a_trusted_certificate_is_talked_to(triton: Triton, certificates: Certificates) -> None:
    options = {"tls_ca_file": str(certificates.authority.pem)}
    assert ask(triton, proxied(triton, certificates.server), options) == [1, 2]


@pytest.mark.parametrize(
    ("which", "is_named", "words"),
    [
        ("server", False, "unable to get local issuer certificate"),
        ("stranger", True, "unable to get local issuer certificate"),
        ("expired", True, "certificate has expired"),
        ("elsewhere", True, "IP address mismatch"),
    ],
)
def test_other_servers_fail_the_job(
    triton: Triton, certificates: Certificates, which: str, is_named: bool, words: str
) -> None:
    options = {"tls_ca_file": str(certificates.authority.pem)} if is_named else {}
    proxy = proxied(triton, getattr(certificates, which))
    with pytest.raises(AccessError, match=words) as error:
        ask(triton, proxy, options)
    assert "'tls-ca-file'" in str(error.value)
    assert proxy.calls == []


def test_any_server_is_talked_to_where_the_user_asks_for_that(triton: Triton, certificates: Certificates) -> None:
    assert ask(triton, proxied(triton, certificates.elsewhere), {"tls_verify": "false"}) == [1, 2]


@pytest.mark.parametrize("newest", [True, False])
def test_both_sides_show_certificates(triton: Triton, certificates: Certificates, newest: bool) -> None:
    trust = {"tls_ca_file": str(certificates.authority.pem)}
    mine = {"tls_cert_file": str(certificates.client.pem), "tls_key_file": str(certificates.client.key)}
    other = {"tls_cert_file": str(certificates.stranger.pem), "tls_key_file": str(certificates.stranger.key)}
    clients = certificates.authority.pem
    assert ask(triton, proxied(triton, certificates.server, clients, newest=newest), {**trust, **mine}) == [1, 2]
    for refused in ({}, other):
        proxy = proxied(triton, certificates.server, clients, newest=newest)
        quickly = {"max_retries": "1", "total_timeout": "500 ms", "timeout": "400 ms", **trust, **refused}
        message = ask_in_vain(triton, proxy, quickly)
        assert "'tls-cert-file'" in message
        assert proxy.calls == []


def ask_in_vain(triton: Triton, proxy: FaultProxy, options: Mapping[str, str]) -> str:
    """Why there was no answer: some servers say it by an alert, others by hanging up."""

    async def main() -> str:
        async with proxy, model(proxy.url, triton.http_url, **options) as one:
            try:
                prediction = await one.predict(1)
            except AccessError as error:
                return str(error)
            return prediction.errors[0]

    return asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tls-ca-file": "{}/absent.pem"}, ["'tls-ca-file'", "absent.pem", "No such file"]),
        ({"tls-ca-file": "{}/server.key"}, ["'tls-ca-file'", "server.key", "does not hold"]),
        ({"tls-cert-file": "{}/absent.pem"}, ["'tls-cert-file'", "absent.pem", "No such file"]),
        ({"tls-cert-file": "{}/client.pem", "tls-key-file": "{}/absent.key"}, ["'tls-key-file'", "absent.key"]),
        ({"tls-cert-file": "{}/client.pem", "tls-key-file": "{}/server.key"}, ["'tls-cert-file'", "belong together"]),
        ({"tls-cert-file": "{}/client.pem"}, ["'tls-cert-file'", "belong together"]),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    certificates: Certificates, options: dict[str, str], words: list[str]
) -> None:
    written = {key: value.format(certificates.directory) for key, value in options.items()}

    async def main() -> None:
        ModelClient(parse_options({"endpoint": "https://127.0.0.1:1", "model-name": MODEL, **written}))

    with pytest.raises(OptionError) as error:
        asyncio.run(main())
    for word in words:
        assert word in str(error.value)
    assert isinstance(error.value, TritonError)
