"""Tokens, headers and the secrets that they refer to: what is sent, and that nothing shows it."""

from __future__ import annotations

import asyncio
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from deliveries import Model, header, proxied, through
from faults import PASS, POISON, Step, page
from triton import Triton

from pyflink_triton.bridge.planning_handlers import PLANNING_HANDLERS
from pyflink_triton.errors import AccessError, ContractError, JobError
from pyflink_triton.http.credentials import Credentials, literal_secret
from pyflink_triton.options.validation import parse_options
from pyflink_triton.runtime.messages import ColumnType, OpenRequest
from pyflink_triton.runtime.planning import DeclaredModel, check

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("token", "sent"), [("abc", "Bearer abc"), ("Basic abc", "Basic abc"), ("${SECRET:my-token}", f"Bearer {CANARY}")]
)
def test_the_token_and_headers_go_with_every_call(
    triton: Triton, monkeypatch: pytest.MonkeyPatch, token: str, sent: str
) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_MY_TOKEN", CANARY)

    async def work(one: Model) -> None:
        await one.answers(1)
        await one.client.signature()

    options = {"auth_token": token, "custom-headers.X-Key": "a${SECRET:my-token}b"}
    log = through(triton, proxied(triton), work, **options).calls
    assert len(log) == 4
    for call in log:
        assert header(call, "Authorization") == sent
        assert header(call, "X-Key") == f"a{CANARY}b"


def test_a_secret_is_read_again_when_the_server_refuses_us(
    triton: Triton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_SECRETS_DIR", str(tmp_path))
    (tmp_path / "token").write_text("old\n")

    async def work(one: Model) -> None:
        assert await one.answers(1) == [1]
        (tmp_path / "token").write_text("new\n")
        assert await one.answers(2) == [2]
        assert one.taken()[0]["retries"] == 1
        with pytest.raises(AccessError, match="HTTP 403"):
            await one.answers(3)

    steps = [PASS, page(401), PASS, page(403)]
    log = through(triton, proxied(triton, *steps), work, auth_token="${SECRET:token}").inferences
    sent = [header(call, "Authorization") for call in log]
    assert sent == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


def credentials(environment: dict[str, str], **options: str) -> Credentials:
    written = {key.replace("_", "-"): value for key, value in options.items()}
    return Credentials(parse_options({"endpoint": "http://t", "model-name": "m", **written}), environment)


@pytest.mark.parametrize("name", ["../outside", "..", "/etc/passwd", "a/b", ".hidden", "", "a b", "link", "absent"])
def test_a_secret_comes_from_its_directory_or_not_at_all(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir()
    (tmp_path / "outside").write_text(CANARY)
    (directory / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(AccessError) as error:
        credentials({"PYFLINK_TRITON_SECRETS_DIR": str(directory)}, auth_token=f"${{SECRET:{name}}}")
    assert CANARY not in str(error.value)


def test_a_mounted_secret_may_be_a_link_within_its_directory(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "token").write_text("abc\n")
    (tmp_path / "token").symlink_to(tmp_path / "..data" / "token")
    found = credentials({"PYFLINK_TRITON_SECRETS_DIR": str(tmp_path)}, auth_token="${SECRET:token}")
    assert found.headers == {"Authorization": "Bearer abc"}


@pytest.mark.parametrize("value", ["", f"{CANARY}\r\nX-Evil: 1", f"{CANARY}é"])
def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(AccessError, match="'t'") as error:
        credentials({"PYFLINK_TRITON_SECRET_T": value}, auth_token="${SECRET:t}")
    assert CANARY not in str(error.value)


def test_a_secret_is_in_no_message_log_or_pickle(
    triton: Triton, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_T", CANARY)
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def work(one: Model) -> None:
        for _ in range(3):
            with pytest.raises(JobError) as error:
                await one.predict(1)
            told.append(repr(error.value))
        told.extend((await one.predict(POISON)).errors.values())
        told.append(repr(one.client.transport.credentials))
        with pytest.raises(TypeError):
            pickle.dumps(one.client.transport.credentials)

    options = {"auth_token": "${SECRET:t}", "custom-headers.X-Key": "${SECRET:t}"}
    parsed = parse_options({"endpoint": "http://t", "model-name": "m", "auth-token": "${SECRET:t}"})
    through(triton, proxied(triton, page(401), page(302, "Location: /x"), Step("raw", body=b"no\r\n")), work, **options)
    assert len(told) == 5
    assert CANARY not in "".join([*told, caplog.text, repr(parsed), str(pickle.dumps(parsed))])


@pytest.mark.parametrize(
    ("token", "written"),
    [
        ("Zm9v/YmFy=", r"Bearer Zm9v\/YmFy\u003D"),
        ("Zm9v/YmFy=", "Zm9v%2FYmFy%3d"),
        ('a-"<quoted>"', "a-&quot;&lt;quoted&gt;&#34;"),
        ('a-"<quoted>"', r"a-\"\u003cquoted\u003e\""),
        ("back\\slash", r"back\\slash"),
        ("a.dotted.token", "a.dotted.token"),
    ],
)
@pytest.mark.parametrize("option", ["auth_token", "custom-headers.X-Api-Key", "secret"])
def test_a_token_is_masked_however_the_server_writes_it(option: str, token: str, written: str) -> None:
    if option == "secret":
        found = credentials({"PYFLINK_TRITON_SECRET_T": token}, **{"custom-headers.X-Own": "${SECRET:t}"})
    else:
        found = credentials({}, **{option: token})
    words = f'{{"error": "{written} is not welcome, nor aXdottedXtoken"}}'
    masked = found.redact(words.encode()).decode()
    assert "***" in masked
    assert written.removeprefix("Bearer ") not in masked
    assert "aXdottedXtoken" in masked


@pytest.mark.parametrize(
    ("written", "warns"),
    [
        ({"auth-token": "abc"}, True),
        ({"custom-headers.Authorization": "Basic abc"}, True),
        ({"auth-token": "${SECRET:t}"}, False),
        ({"custom-headers.X-Tenant": "abc"}, False),
    ],
)
def test_a_literal_token_is_worth_a_warning_that_does_not_show_it(written: dict[str, str], warns: bool) -> None:
    warning = literal_secret(parse_options({"endpoint": "http://t", "model-name": "m", **written}))
    assert (warning is not None) == warns
    assert "abc" not in str(warning)


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_server_that_prints_what_it_was_sent_is_not_quoted_with_a_secret(
    triton: Triton, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_T", f'{CANARY}"')
    monkeypatch.setenv("PYFLINK_TRITON_SECRET_SCHEME", f"Basic {CANARY}-2")
    told: list[str] = []

    async def work(one: Model) -> None:
        try:
            told.extend((await one.predict(1)).errors.values())
        except (JobError, ContractError) as error:
            told.append(str(error))

    body = f'<p>you: {CANARY}", {CANARY}\\", {CANARY}-2</p>'.encode()
    options = {"auth_token": "${SECRET:scheme}", "custom-headers.X-Key": "${SECRET:t}", "max_retries": "0"}
    through(triton, proxied(triton, Step("status", status=status, body=body)), work, **options)
    assert len(told) == 1
    assert CANARY not in told[0]
    assert "***" in told[0]


def test_planning_warns_of_a_literal_token(triton: Triton) -> None:
    columns: list[ColumnType] = [{"name": "x", "type": "BIGINT"}]
    written = {"endpoint": triton.http_url, "model-name": "identity_int64", "auth-token": CANARY}
    asked: OpenRequest = {"model": "m", "options": written, "input": columns, "output": columns}
    (warning,) = asyncio.run(check(DeclaredModel.parse(asked)))["warnings"]
    assert warning.startswith("Model 'm': option 'auth-token' holds a token itself")
    assert CANARY not in warning


def test_proxies_of_the_environment_are_asked_for_where_they_count(triton: Triton) -> None:
    columns = [{"name": "x", "type": "BIGINT"}]
    written = {"endpoint": triton.http_url, "model-name": "identity_int64"}
    asked: dict[str, Any] = {"model": "m", "options": written, "input": columns, "output": columns}
    names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]
    with_proxies = {**asked, "runtime_options": {"proxy-from-environment": "true"}}

    async def answer(**fields: Any) -> Any:
        return await PLANNING_HANDLERS["check"](fields)

    assert "environment" not in asyncio.run(answer(**asked))
    assert asyncio.run(answer(**with_proxies)) == {"environment": names}
    answered = asyncio.run(answer(**with_proxies, environment=names))
    assert (answered["environment"], answered["warnings"]) == (names, [])
