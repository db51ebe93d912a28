"""A catalog whose server is away, hangs or hides its list: what Flink knows never depends on it, and what does says so.

Which names are Flink's is the shim's test `CatalogLookUpTest`; here they are planned in each kind of failure.
"""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from fault_proxy import nobody
from flink_session import collect, session, view
from model_list import front
from pyflink.table import TableEnvironment
from pyflink.table.udf import udf
from triton import Triton

#: What each kind of failure says.
FAILURES = {
    "refused": "Connection refused",
    "hung": "(no answer within|timed out after) 2s",
    "403": "403",
    "404": "404",
    "500": "500",
    "tls": "https://",
    "dripping": "(no answer within|timed out after) 2s",
}

UNKNOWN = "No function '{}' is known, and the server cannot be asked whether it has a model of that name: "
V, E = "default_catalog.default_database.v", "default_catalog.default_database.e"
#: What no model is in.
STATEMENTS = [
    f"SELECT IF(n = 1, x, 'b'), CHAR_LENGTH(x), CHARACTER_LENGTH(x), NULLIF(x, 'a'), EXTRACT(YEAR FROM ts) FROM {V}",
    f"SELECT DATE_FORMAT(ts, 'yyyy'), TO_TIMESTAMP('2026-01-01 00:00:00'), TO_DATE('2026-01-01') FROM {V}",
    f"SELECT REGEXP_REPLACE(x, 'a', 'b'), REGEXP_EXTRACT(x, 'a', 0), SPLIT_INDEX(x, ',', 0), STR_TO_MAP(x) FROM {V}",
    f"SELECT CONVERT_TZ('2026-01-01 00:00:00', 'UTC', 'CET'), UNIX_TIMESTAMP(), FROM_UNIXTIME(n) FROM {V}",
    f"SELECT YEAR(ts), QUARTER(ts), MONTH(ts), WEEK(ts), HOUR(ts), MINUTE(ts), SECOND(ts), DAYOFYEAR(ts) FROM {V}",
    f"SELECT TIMESTAMPADD(DAY, 1, ts), TIMESTAMPDIFF(DAY, ts, ts), CURRENT_DATE, LOCALTIMESTAMP, NOW() FROM {V}",
    f"SELECT TO_BASE64(x), FROM_BASE64(x), PARSE_URL(x, 'HOST'), IS_ALPHA(x), IS_DIGIT(x), HASH_CODE(x) FROM {V}",
    f"SELECT CASE WHEN x LIKE 'a%' AND n BETWEEN 1 AND 2 OR x IN ('a', 'b') THEN -n ELSE CAST(x AS INT) END FROM {V}",
    f"SELECT x || 'a', ROW(x, n), ARRAY[n, 1][1], MAP[x, n][x], UPPER(TRIM(x)), COALESCE(x, 'a') IS NULL FROM {V}",
    f"SELECT x FROM {V} WHERE EXISTS (SELECT 1 FROM {E}) AND n > (SELECT MAX(n) FROM {E})",
    f"SELECT x, COUNT(DISTINCT n), STDDEV(n), VAR_POP(n), LISTAGG(x), GROUPING(x) FROM {V} GROUP BY CUBE (x)",
    f"SELECT x, r FROM (SELECT x, ROW_NUMBER() OVER (PARTITION BY x ORDER BY n DESC) AS r FROM {V}) WHERE r <= 3",
    f"SELECT LAG(n) OVER (ORDER BY ts), SUM(n) OVER (ORDER BY ts) FROM {E}",
    f"SELECT window_start, COUNT(*) FROM TUMBLE(TABLE {E}, DESCRIPTOR(ts), INTERVAL '1' MINUTE) "
    "GROUP BY window_start, window_end",
    f"SELECT COUNT(*) FROM HOP(TABLE {E}, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) "
    "GROUP BY window_start, window_end",
    f"SELECT COUNT(*) FROM SESSION(TABLE {E}, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end",
    f"SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM {E} GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
    f"SELECT * FROM {E} MATCH_RECOGNIZE (PARTITION BY x ORDER BY ts MEASURES LAST(A.n) AS l, FIRST(A.n) AS f "
    "ONE ROW PER MATCH PATTERN (A+ B) DEFINE A AS A.n > 1, B AS B.n < LAST(A.n)) AS m",
    f"SELECT u FROM {V} CROSS JOIN UNNEST(ARRAY[n]) AS t (u)",
    f"SELECT x FROM {V} UNION ALL SELECT x FROM {E}",
    f"SELECT system_function(x) FROM {V}",
]


@udf(result_type="STRING")  # type: ignore[untyped-decorator] # pyflink has no types
def shout(text: str) -> str:
    """A user's own function."""
    return text + "!"


@pytest.fixture(scope="module")
def env() -> TableEnvironment:
    made = session()
    for name, more in (("v", ""), ("e", ", WATERMARK FOR ts AS ts")):
        columns = f"x STRING, n INT, ts TIMESTAMP(3){more}"
        made.execute_sql(f"CREATE TEMPORARY TABLE {name} ({columns}) WITH ('connector' = 'datagen')")
    made.create_temporary_system_function("system_function", shout)
    view(made, "texts", {"x": "STRING"}, [("a",)])
    return made


@pytest.fixture(scope="module")
def plans(env: TableEnvironment) -> list[str]:
    """Of Flink's own catalog."""
    env.execute_sql("USE CATALOG default_catalog")
    return explained(env)


def explained(env: TableEnvironment) -> list[str]:
    """The plan of each; Flink counts correlations through all of them."""
    return [re.sub(r"\$cor\d+", "$cor", env.explain_sql(statement)) for statement in STATEMENTS]


def refused(env: TableEnvironment, statement: str, *words: str) -> None:
    """See that a statement is refused with these words, in this order."""
    with pytest.raises(Exception, match=".*".join(words)):
        collect(env, statement)


@pytest.mark.parametrize("kind", FAILURES)
def test_what_flink_knows_does_not_depend_on_the_server(
    env: TableEnvironment, plans: list[str], kind: str, triton: Triton
) -> None:
    with ExitStack() as stack:
        proxy = None
        if kind in ("refused", "tls"):
            url = stack.enter_context(nobody()) if kind == "refused" else triton.http_url.replace("http", "https")
        else:
            proxy = stack.enter_context(front(kind, triton))
            url = proxy.url
        name = f"away_{kind}"
        env.execute_sql(
            f"CREATE CATALOG {name} WITH ('type' = 'triton', 'endpoint' = '{url}', 'plan-check-timeout' = '2s')"
        )
        env.execute_sql(f"USE CATALOG {name}")
        assert explained(env) == plans
        env.sql_query(f"SELECT RANK() OVER (PARTITION BY x ORDER BY n), DENSE_RANK() OVER (ORDER BY n) FROM {V}")

        # What is the catalog's own.
        env.execute_sql(f"CREATE VIEW seen AS SELECT x FROM {V}")
        env.execute_sql("CREATE TABLE own_table (x STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '1')")
        env.execute_sql(f"CREATE FUNCTION own_function AS '{__name__}.shout' LANGUAGE PYTHON")
        env.create_temporary_function("temporary_function", shout)
        live = f"WITH ('provider' = 'triton', 'endpoint' = '{triton.http_url}', 'model-name' = 'identity_bytes')"
        env.execute_sql(f"CREATE MODEL declared INPUT (x STRING) OUTPUT (y STRING) {live}")
        env.execute_sql(f"CREATE TEMPORARY MODEL passing INPUT (x STRING) OUTPUT (y STRING) {live}")
        for query in (
            "SELECT x FROM seen",
            "SELECT x FROM own_table",
            "SELECT own_function(x), temporary_function(x), declared(x), passing(x) FROM seen",
            "SELECT y FROM ML_PREDICT(TABLE seen, MODEL declared, DESCRIPTOR(x))",
        ):
            env.explain_sql(query)
        assert proxy is None or proxy.listings == 0
        if kind == "hung":
            texts = "default_catalog.default_database.texts"
            predict = f"ML_PREDICT(TABLE {texts}, MODEL declared, DESCRIPTOR(x))"
            assert collect(env, f"SELECT declared(y) FROM {predict}") == [("a",)]
            assert proxy is not None
            assert proxy.listings == 0

        # What only the server could answer says what could not be reached, and a hung one is waited for once.
        for query in (
            f"SELECT nope(x) FROM {V}",
            f"SELECT NULLIF(nope(x, 'a'), 'b') FROM {V}",
            "SELECT * FROM nope(1)",
        ):
            refused(env, query, UNKNOWN.format("nope"), FAILURES[kind])
        listed = [row[0] for row in collect(env, "SHOW FUNCTIONS")]
        assert {"declared", "own_function", "temporary_function", "system_function"} <= set(listed)
        collect(env, "DESCRIBE FUNCTION nope")
        asked = 0 if proxy is None else proxy.listings
        assert asked == 1 or kind not in ("hung", "dripping")
        refused(env, "SHOW MODELS", "The server's models cannot be listed: ", FAILURES[kind])
        assert proxy is None or proxy.listings == asked + 1
        env.execute_sql("CREATE DATABASE other")
        assert collect(env, "SHOW MODELS FROM other") == []


def test_a_slow_server_is_waited_for_by_models_only(env: TableEnvironment, plans: list[str], triton: Triton) -> None:
    with front("slow", triton) as proxy:
        env.execute_sql(f"CREATE CATALOG slow WITH ('type' = 'triton', 'endpoint' = '{proxy.url}')")
        env.execute_sql("USE CATALOG slow")
        assert explained(env) == plans
        assert proxy.listings == 0
        env.explain_sql(f"SELECT identity_bytes(x), pairing(n) FROM {V}")
        assert proxy.listings == 1


def test_the_remedies_that_are_told(env: TableEnvironment, triton: Triton) -> None:
    with front("403", triton) as proxy:
        env.execute_sql(f"CREATE CATALOG hidden WITH ('type' = 'triton', 'endpoint' = '{proxy.url}')")
        env.execute_sql("USE CATALOG hidden")
        texts = "default_catalog.default_database.texts"
        remedy = "A CREATE MODEL with INPUT and OUTPUT makes it a function without the server"
        unknown = UNKNOWN.format("identity_bytes")
        refused(env, f"SELECT identity_bytes(x) FROM {texts}", unknown, r"403.*[.] The server is", remedy)
        env.execute_sql(
            "CREATE MODEL identity_bytes INPUT (x STRING) OUTPUT (y STRING) WITH "
            "('provider' = 'triton', 'model-name' = 'identity_bytes')"
        )
        assert collect(env, f"SELECT identity_bytes(x) FROM {texts}") == [("a",)]
        env.execute_sql("DROP MODEL identity_bytes")

        # The server is opened: the failure is kept, and SHOW MODELS does not wait for that.
        remedy = "The server is asked again after 5 s, or by SHOW MODELS"
        refused(env, f"SELECT pairing(1) FROM {texts}", UNKNOWN.format("pairing"), remedy)
        proxy.kind = ""
        assert ("pairing",) in collect(env, "SHOW MODELS")
        assert collect(env, f"SELECT pairing(1) FROM {texts}") == [(4,)]
