"""`options`, `models` and `describe`: what is declared, what a server has, and statements that can be pasted."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import command
from kserve_process import KServe
from triton import Triton
from waiting import wait_for

from pyflink_triton.options.options import OPTIONS

#: A model of each kind.
MODELS = ("multi", "optional", "types_nested", "sequence", "script_many", "decoupled", "parallel", "either")


def test_each_option_is_listed() -> None:
    listed = command("options", "--json").data
    assert [option["key"] for option in listed] == list(OPTIONS)
    (timeout,) = [option for option in listed if option["key"] == "timeout"]
    assert (timeout["type"], timeout["default"], timeout["required"]) == ("Duration", "30s", False)
    assert "-" not in {option["default"] for option in listed}
    printed = command("options", "circuit", "threshold").out.splitlines()
    assert printed[0].split() == ["option", "type", "default", "what"]
    assert [line.split()[0] for line in printed[1:]] == ["circuit-breaker-failure-threshold"]
    nothing = command("options", "xyzzy")
    assert (nothing.code, nothing.out) == (1, "")
    assert "'xyzzy'" in nothing.err


def test_the_models_of_a_server(triton: Triton) -> None:
    found = {model["name"]: model for model in command("models", "--endpoint", triton.http_url, "--json").data}
    assert found.keys() == triton.index().keys()
    assert {model["state"] for model in found.values()} == {"READY"}
    assert found["multi"]["versions"] == ["1"]
    kinds = {
        name: found[name]["kind"] for name in ("multi", "types_nobatch", "sequence", "script", "sequence_ensemble")
    }
    assert kinds == {
        "multi": "up to 64 rows a request",
        "types_nobatch": "one row a request",
        "sequence": "keeps a state, up to 64 rows a request",
        "script": "answers in parts, one row a request",
        "sequence_ensemble": "keeps a state, an ensemble, up to 64 rows a request",
    }


def test_a_model_that_is_not_ready_says_why(triton: Triton) -> None:
    triton.unload("one_row")
    try:
        wait_for(lambda: triton.index()["one_row"] == "UNAVAILABLE", 60, "the end of the model")
        found = {model["name"]: model for model in command("models", "--endpoint", triton.http_url, "--json").data}
        assert (found["one_row"]["state"], found["one_row"]["reason"]) == ("UNAVAILABLE", "unloaded")
        described = command("describe", "one_row", "--endpoint", triton.http_url)
        assert (described.code, described.out) == (1, "")
        assert "not ready" in described.err
    finally:
        triton.load("one_row")


def test_the_statements_of_a_description_can_be_planned(triton: Triton, tmp_path: Path) -> None:
    script = []
    described = {
        model: command("describe", model, "--endpoint", triton.http_url, "--name", f"a {model}", "--json").data
        for model in MODELS
    }
    for form, catalog in (("derived", "triton"), ("declared", "default_catalog")):
        script.append(f"USE CATALOG {catalog};")
        script += [each["create_model"][form] for each in described.values()]
    (tmp_path / "models.sql").write_text("\n".join(script))
    done = command("check", "-f", tmp_path / "models.sql", "--endpoint", triton.http_url)
    assert (done.code, done.out, done.err) == (0, f"{2 * len(MODELS) + 2} statements: nothing is wrong\n", "")
    assert [each["name"] for each in described["multi"]["inputs"]] == ["amount", "account", "note"]
    assert described["script_many"]["decoupled"]
    assert "'responses' = 'join'" in described["script_many"]["create_model"]["declared"]
    assert "'timeout' = '120s'" in described["script_many"]["create_model"]["declared"]
    assert "`sequence_id` STRING" in described["sequence"]["create_model"]["declared"]


def test_a_description_without_json_is_to_be_pasted(triton: Triton) -> None:
    printed = command("describe", "multi", "--endpoint", triton.http_url).out
    assert printed.startswith("multi on Triton, version 1: up to 64 rows a request\n")
    assert "\nCREATE MODEL `multi`\nINPUT (`amount` FLOAT, `account` BIGINT, `note` STRING)\n" in printed
    columns = "`amount`, `account`, `note`"
    assert f"\nSELECT `multi`({columns}) FROM ...;\n" in printed
    assert printed.rstrip().endswith(f"SELECT * FROM ML_PREDICT(TABLE ..., MODEL `multi`, DESCRIPTOR({columns}));")
    assert "\x1b" not in printed


def test_no_secret_is_shown(triton: Triton) -> None:
    written = ("--option", "auth-token=canary-5f1c", "--option", "custom-headers.X-Key=canary-5f1c")
    printed = command("describe", "multi", "--endpoint", triton.http_url, *written)
    assert "canary" not in printed.out + printed.err
    assert "'auth-token' = '${SECRET:triton}'" in printed.out


@pytest.mark.parametrize(("model", "words"), [("script_half", "FP16"), ("sequence_string", "TYPE_STRING")])
def test_a_model_that_cannot_be_called_is_said_to_be_so(triton: Triton, model: str, words: str) -> None:
    described = command("describe", model, "--endpoint", triton.http_url, "--json")
    assert described.code == 1
    assert words in described.data["problem"]
    assert words in described.err


@pytest.mark.parametrize("name", ["models", "describe"])
def test_a_server_that_is_not_there_is_one_sentence(name: str) -> None:
    done = command(name, *(["multi"] if name == "describe" else []), "--endpoint", "http://127.0.0.1:9")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "Connection refused" in done.err


def test_a_model_of_kserve_says_how_many_rows_it_is_taken_to_have(kserve: KServe) -> None:
    names = [model["name"] for model in command("models", "--endpoint", kserve.url, "--json").data]
    assert {"fraud", "bare"} <= set(names)
    described = command("describe", "fraud", "--endpoint", kserve.url, "--json").data
    assert described["server"] != "Triton"
    assert "'max-batch-size' = '32'" in described["create_model"]["derived"]
    bare = command("describe", "bare", "--endpoint", kserve.url)
    assert (bare.code, bare.out) == (1, "")
    assert "does not describe its inputs" in bare.err
