"""The catalog: its own models and the server's, every statement about them, and a server that is away."""

from __future__ import annotations

from typing import Any

import pytest
from flink_session import collect, session, view
from pyflink.table import TableEnvironment
from triton import Triton, call

WITH = "WITH ('provider' = 'triton', 'model-name' = '{}')"


def make(env: TableEnvironment, name: str, **options: str) -> None:
    """Create a catalog and make it current."""
    written = {"type": "triton", **{key.replace("_", "-"): value for key, value in options.items()}}
    clause = ", ".join(f"'{key}' = '{value}'" for key, value in written.items())
    env.execute_sql(f"CREATE CATALOG {name} WITH ({clause})")
    env.execute_sql(f"USE CATALOG {name}")


def names(env: TableEnvironment, statement: str = "SHOW MODELS") -> list[Any]:
    """The first column."""
    return [row[0] for row in collect(env, statement)]


def described(env: TableEnvironment, model: str) -> list[tuple[str, str, bool]]:
    """Name, type and whether it is an input, of each column."""
    return [(row[0], row[1], row[3]) for row in collect(env, f"DESCRIBE MODEL {model}")]


@pytest.fixture(scope="module")
def env(triton: Triton) -> TableEnvironment:
    env = session()
    make(env, "triton", endpoint=triton.http_url, timeout="20s")
    view(env, "t", {"x": "BIGINT"}, [(1,), (2,)])
    return env


def test_it_lists_the_models_that_are_ready(env: TableEnvironment, triton: Triton) -> None:
    ready = sorted(name for name, state in triton.index().items() if state == "READY")
    assert names(env) == ready
    assert "multi" in names(env, "SHOW FUNCTIONS")


def test_a_listed_model_has_the_servers_schema_and_the_catalogs_options(env: TableEnvironment) -> None:
    assert described(env, "multi") == [
        ("amount", "FLOAT", True),
        ("account", "BIGINT", True),
        ("note", "STRING", True),
        ("score", "FLOAT", False),
        ("label", "STRING", False),
    ]
    statement = names(env, "SHOW CREATE MODEL multi")[0]
    assert "'timeout' = '20s'" in statement
    assert "'model-name' = 'multi'" in statement


def test_a_listed_model_predicts_with_no_ddl(env: TableEnvironment) -> None:
    rows = collect(env, "SELECT x, y FROM ML_PREDICT(TABLE t, MODEL identity_int64, DESCRIPTOR(x))")
    assert sorted(rows) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP MODEL multi", "dropped"),
        ("DROP MODEL IF EXISTS multi", "dropped"),
        ("ALTER MODEL multi SET ('timeout' = '1s')", "altered"),
        ("ALTER MODEL multi RENAME TO other", "renamed"),
    ],
)
def test_a_listed_model_is_its_servers(env: TableEnvironment, statement: str, what: str) -> None:
    with pytest.raises(Exception, match=f"comes from its server and cannot be {what} here"):
        env.execute_sql(statement)


def test_a_created_model_without_columns_takes_the_servers(env: TableEnvironment) -> None:
    env.execute_sql("CREATE MODEL mine " + WITH.format("multi"))
    assert described(env, "mine") == described(env, "multi")
    assert collect(env, "SELECT mine(1.5, x, 'a').label FROM t WHERE x = 1") == [("A",)]
    env.execute_sql("ALTER MODEL mine SET ('timeout' = '7s')")
    assert "'timeout' = '7s'" in names(env, "SHOW CREATE MODEL mine")[0]
    env.execute_sql("ALTER MODEL mine RESET ('timeout')")
    assert "'timeout' = '20s'" in names(env, "SHOW CREATE MODEL mine")[0]
    with pytest.raises(Exception, match="Did you mean 'timeout'"):
        env.execute_sql("ALTER MODEL mine SET ('tmeout' = '7s')")
    env.execute_sql("ALTER MODEL mine RENAME TO yours")
    assert "yours" in names(env)
    assert "mine" not in names(env)
    assert collect(env, "SELECT yours(1.5, x, 'a').score FROM t WHERE x = 1") == [(4.0,)]
    env.execute_sql("DROP MODEL yours")
    assert "yours" not in names(env)
    with pytest.raises(Exception, match="yours"):
        env.execute_sql("DROP MODEL yours")


def test_a_created_model_shadows_the_servers_until_it_is_dropped(env: TableEnvironment) -> None:
    env.execute_sql("CREATE MODEL add INPUT (x BIGINT) OUTPUT (y BIGINT) " + WITH.format("identity_int64"))
    assert described(env, "add") == [("x", "BIGINT", True), ("y", "BIGINT", False)]
    assert names(env).count("add") == 1
    assert sorted(collect(env, "SELECT add(x) FROM t")) == [(1,), (2,)]
    env.execute_sql("DROP MODEL add")
    assert sorted(collect(env, "SELECT add(x, 1) FROM t")) == [(2.0,), (3.0,)]


def test_tables_views_and_databases_are_held(env: TableEnvironment) -> None:
    env.execute_sql("CREATE DATABASE other")
    env.execute_sql("CREATE TABLE other.numbers (x BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1')")
    env.execute_sql("CREATE VIEW other.few AS SELECT x FROM other.numbers")
    assert names(env, "SHOW TABLES FROM other") == ["few", "numbers"]
    assert names(env, "SHOW MODELS FROM other") == []
    env.execute_sql("CREATE MODEL other.m " + WITH.format("identity_int64"))
    assert names(env, "SHOW MODELS FROM other") == ["m"]
    assert len(collect(env, "SELECT other.m(x) FROM other.few")) == 1
    env.execute_sql("DROP DATABASE other CASCADE")


def test_a_created_model_in_other_letters_is_another_model(env: TableEnvironment) -> None:
    env.execute_sql("CREATE MODEL Pairing " + WITH.format("identity_int64"))
    assert sorted(collect(env, "SELECT pairing(x), Pairing(x) FROM t")) == [(4, 1), (7, 2)]
    env.execute_sql("DROP MODEL Pairing")


def test_a_temporary_model_shadows_the_servers_as_a_function_too(env: TableEnvironment) -> None:
    env.execute_sql("CREATE TEMPORARY MODEL identity_int64 " + WITH.format("pairing"))
    for query in (
        "SELECT identity_int64(x) FROM t",
        "SELECT y FROM ML_PREDICT(TABLE t, MODEL identity_int64, DESCRIPTOR(x))",
    ):
        assert sorted(collect(env, query)) == [(4,), (7,)]
    env.execute_sql("DROP TEMPORARY MODEL identity_int64")
    assert sorted(collect(env, "SELECT identity_int64(x) FROM t")) == [(1,), (2,)]
    with pytest.raises(Exception, match="Did you mean 'timeout'"):
        env.execute_sql("CREATE TEMPORARY MODEL wrong WITH ('provider' = 'triton', 'tmeout' = '1s')")


def test_a_temporary_model_with_columns_of_its_own_works(env: TableEnvironment) -> None:
    env.execute_sql(
        "CREATE TEMPORARY MODEL brief INPUT (x BIGINT) OUTPUT (y BIGINT) WITH ('provider' = 'triton', "
        f"'endpoint' = '{_endpoint(env)}', 'model-name' = 'identity_int64')"
    )
    rows = collect(env, "SELECT y FROM ML_PREDICT(TABLE t, MODEL brief, DESCRIPTOR(x))")
    assert sorted(rows) == sorted(collect(env, "SELECT brief(x) FROM t")) == [(1,), (2,)]
    env.execute_sql("DROP TEMPORARY MODEL brief")


def _endpoint(env: TableEnvironment) -> str:
    statement = names(env, "SHOW CREATE MODEL multi")[0]
    return str(statement.split("'endpoint' = '")[1].split("'")[0])


def test_from_another_catalog_a_model_has_its_full_name(env: TableEnvironment) -> None:
    env.execute_sql("USE CATALOG default_catalog")
    rows = collect(env, "SELECT triton.`default`.identity_int64(x) FROM triton.`default`.t")
    env.execute_sql("USE CATALOG triton")
    assert sorted(rows) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("'endpoint' = 'nonsense'", "option 'endpoint'"),
        ("'timeot' = '1s'", "Did you mean 'timeout'"),
        ("'model-name' = 'm'", "for one model, not for a catalog"),
    ],
)
def test_wrong_options_are_refused_by_create_catalog(env: TableEnvironment, option: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        env.execute_sql(f"CREATE CATALOG wrong WITH ('type' = 'triton', {option})")


def test_models_come_and_go_with_the_server(own_triton: Any) -> None:
    triton = own_triton("identity_int64", "identity_int32")
    env = session()
    make(env, "triton", endpoint=triton.http_url)
    view(env, "t", {"x": "BIGINT"}, [(1,)])
    env.execute_sql("CREATE MODEL own INPUT (x BIGINT) OUTPUT (y BIGINT) " + WITH.format("identity_int64"))
    call(triton.http_url, "POST", "/v2/repository/models/identity_int32/unload")
    assert "identity_int64" in names(env)
    triton.server.stop()
    env.execute_sql("CREATE CATALOG later WITH ('type' = 'triton', 'endpoint' = '" + triton.http_url + "')")
    env.execute_sql("USE CATALOG later")
    with pytest.raises(Exception, match=r"The server's models cannot be listed: Failed to connect to Triton"):
        names(env)
    assert "identity_int64" not in names(env, "SHOW FUNCTIONS")
    assert collect(env, "SELECT x + 1 FROM triton.`default`.t") == [(2,)]
    with pytest.raises(Exception, match="Failed to connect to Triton"):
        env.execute_sql("DESCRIBE MODEL identity_int64")
    with pytest.raises(
        Exception, match=r"the server cannot be asked whether it has a model of that name.*Failed to connect"
    ):
        env.explain_sql("SELECT identity_int64(x) FROM triton.`default`.t")
    env.execute_sql("USE CATALOG triton")
    assert "own" in names(env, "SHOW FUNCTIONS")


def test_without_an_endpoint_there_are_only_created_models(triton: Triton) -> None:
    env = session()
    make(env, "triton")
    assert names(env) == []
    env.execute_sql(
        "CREATE MODEL m WITH ('provider' = 'triton', 'model-name' = 'identity_int64', "
        f"'endpoint' = '{triton.http_url}')"
    )
    assert collect(env, "SELECT m(41)") == [(41,)]


def test_a_module_serves_models_whatever_catalog_is_current(triton: Triton) -> None:
    env = session()
    env.execute_sql(f"LOAD MODULE triton WITH ('endpoint' = '{triton.http_url}')")
    assert collect(env, "SELECT identity_int64(5)") == [(5,)]
    assert "identity_int64" in names(env, "SHOW FUNCTIONS")
    env.execute_sql("UNLOAD MODULE triton")
    with pytest.raises(Exception, match="No match found"):
        env.explain_sql("SELECT identity_int64(5)")
