"""Models that are named like functions of Flink's, or alike but for case: what a name means, and the warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flink_session import collect, session, view
from model_list import front
from model_repository import Model, Tensor
from pyflink.table import TableEnvironment
from triton import Triton, serving

import pyflink_triton
from pyflink_triton.table.sentences import tell_sentences_first

pytestmark = pytest.mark.either_mode

CLASHING = ("date_format", "nullif", "rank", "upper")
MIXED = "Models 'Mixed', 'mixed' differ by case only. A call in the letters of one means that one, and in any other"


def _model(name: str, source: str = "identity") -> Model:
    datatype = "INT64" if source == "pairing" else "BYTES"
    return Model(name, [Tensor("x", datatype)], [Tensor("y", datatype)], source)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server of such models: they give texts back as they are; `Mixed` gives 3x + 1, and `mixed` x."""
    mixed = Model("mixed", [Tensor("x", "INT64")], [Tensor("y", "INT64")], "identity")
    models = [*map(_model, CLASHING), _model("Mixed", "pairing"), mixed, _model("plain")]
    with serving(tmp_path_factory.mktemp("named"), models) as triton:
        yield triton


def warned(recwarn: pytest.WarningsRecorder) -> list[str]:
    """What Python warned of since the last call."""
    messages = [str(each.message) for each in recwarn if each.filename == "pyflink_triton"]
    recwarn.clear()
    return messages


def make(mode: str) -> TableEnvironment:
    """A session with a row of text."""
    env = session(mode, with_jar=False)
    view(env, "t", {"x": "STRING", "n": "BIGINT"}, [("ab", 5)])
    return env


def values(env: TableEnvironment, *expressions: str) -> list[object]:
    """Of the only row."""
    (row,) = collect(env, f"SELECT {', '.join(expressions)} FROM default_catalog.default_database.t")
    return list(row)


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_flinks_functions_win_and_a_model_is_called_by_the_name_that_the_warning_says(
    mode: str, named: Triton, recwarn: pytest.WarningsRecorder
) -> None:
    env = make(mode)
    pyflink_triton.connect(env, named.http_url)
    clash, mixed = warned(recwarn)
    assert clash.startswith("Models 'date_format', 'nullif', 'rank', 'upper' are named like functions of Flink")
    assert mixed.startswith(MIXED)
    assert mixed.endswith(" letters 'Mixed'.")
    spelling = re.search(r"full name, as (.*)\(\.\.\.\)\.$", clash)
    assert spelling is not None
    calls = [spelling[1].replace("date_format", name) + "(x)" for name in CLASHING]
    flinks = ("upper(x)", "`UPPER`(x)", "NULLIF(x, 'ab')", "Mixed(n)", "mixed(n)", "MIXED(n)")
    assert values(env, *calls, *flinks) == [*["ab"] * 4, "AB", "AB", None, 16, 5, 16]

    for statement, model in (
        ("CREATE MODEL `If` {}", "If"),
        ("CREATE TEMPORARY MODEL `hex` {}", "hex"),
        ("ALTER MODEL `If` RENAME TO `Char_Length`", "Char_Length"),
        ("CREATE MODEL `SUM` INPUT (x STRING) OUTPUT (y STRING) {}", "SUM"),
    ):
        env.execute_sql(statement.format("WITH ('provider' = 'triton', 'model-name' = 'plain')"))
        (clash,) = warned(recwarn)
        assert clash.startswith(f"Model '{model}' is named like functions of Flink")
        assert f"`triton`.`default`.`{model}`(...)" in clash
    assert values(env, "`triton`.`default`.`Char_Length`(`triton`.`default`.`hex`(x))") == ["ab"]
    env.execute_sql("CREATE MODEL MIXED WITH ('provider' = 'triton', 'model-name' = 'mixed')")
    assert warned(recwarn) == [MIXED.replace("'Mixed'", "'MIXED', 'Mixed'") + " letters 'MIXED'."]
    alike = ("MIXED(n)", "Mixed(n)", "mixed(n)", "mixeD(n)")
    assert values(env, "char_length(hex(x))", *alike) == [4, 5, 16, 5, 5]
    env.execute_sql("CREATE MODEL other WITH ('provider' = 'triton', 'model-name' = 'plain')")
    assert warned(recwarn) == []


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_module_that_comes_first_wins(mode: str, named: Triton, recwarn: pytest.WarningsRecorder) -> None:
    env = make(mode)
    pyflink_triton.connect(env, use=False)
    env.execute_sql(f"LOAD MODULE triton WITH ('endpoint' = '{named.http_url}')")
    assert values(env, "upper(x)", "NULLIF(x, 'ab')", "plain(x)") == ["AB", None, "ab"]
    clash, mixed = warned(recwarn)
    assert "USE MODULES with this module before 'core' makes 'upper' the model." in clash
    assert mixed.startswith(MIXED)
    env.execute_sql("USE MODULES triton, core")
    upper = ("upper(x)", "`UPPER`(x)", "upper(x => x)", "upper(CONCAT(x, 'b'))", "upper(upper(x))")
    assert values(env, *upper, "NULLIF(x, 'ab')") == ["ab", "ab", "ab", "abb", "ab", None]
    if mode == "streaming":
        assert values(env, "upper('a')") == ["a"]
    else:
        tell_sentences_first()
        with pytest.raises(Exception, match=r"\AA vectorized function whose arguments are all constants"):
            values(env, "upper('a')")
        assert values(env, "upper(CASE WHEN x IS NULL THEN x ELSE 'a' END)") == ["a"]


def test_a_warning_of_many_models_is_short(triton: Triton, recwarn: pytest.WarningsRecorder) -> None:
    env = session(with_jar=False)
    with front("", triton) as proxy:
        proxy.names = sorted([*env.list_functions(), *(f"{name}{k}" for k in range(40) for name in ("aa", "AA"))])
        pyflink_triton.connect(env, proxy.url)
        messages = warned(recwarn)
        assert len(messages) == 2
        assert all(len(message) < 600 for message in messages), messages


def test_connect_says_once_that_a_server_cannot_be_asked(triton: Triton, recwarn: pytest.WarningsRecorder) -> None:
    env = session(with_jar=False)
    with front("403", triton) as proxy:
        pyflink_triton.connect(env, proxy.url)
        (message,) = warned(recwarn)
        assert message.startswith("The server's models cannot be listed: ")
        assert "403" in message
        with pytest.raises(Exception, match="cannot be asked"):
            env.explain_sql("SELECT nope(1)")
        assert warned(recwarn) == []
