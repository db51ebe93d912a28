"""`pyflink-triton check` finds each mistake of a script with its line, and complains of nothing that is right."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Done, command
from triton import Triton, call

from pyflink_triton.command import flink
from pyflink_triton.remedies import Remedy
from pyflink_triton.table import embedded

WRONG = Path(__file__).parent / "wrong.sql"
#: What is wrong in that file: where the mistake is, and words of what is said about it.
MISTAKES = {
    "amount FRM": ("'payments' is not expected",),
    "FROM paymants": ("Object 'paymants' not found",),
    "       amuont": ("Column 'amuont' not found",),
    "       pairing(note)": ("input column 'x' is declared BIGINT", "STRING", "CAST"),
    "CREATE MODEL default_catalog.default_database.lonely": ("'endpoint' is missing",),
    "  'endpoint' = 'http://127.0.0.1:9'": ("Connection refused", "Check that the server runs"),
    "CREATE MODEL nobody": ("no_such_model", "unknown model"),
    "  'tmeout' = '3s'": ("Did you mean 'timeout'?",),
    "  'timeout' = 'soon'": ("'30s'",),
    "CREATE MODEL renamed": ("input column 'remark' is not a tensor",),
    "multi(amount, note)": ("No match found", "amount => FLOAT"),
    "paring(account)": ("No match found for function signature paring",),
    "  many(note)": ("gives several rows",),
    "'abc;": ("not closed",),
    "; SELECT account": ("a second statement",),
    "\nSELECT account FROM payments;\n\n-- right\nEXECUTE": ("';' is missing",),
}


def check(tmp_path: Path, text: str, triton: Triton | None, *arguments: str) -> Done:
    script = tmp_path / "script.sql"
    script.write_text(text)
    server = [] if triton is None else ["--endpoint", triton.http_url]
    return command("check", "-f", script, *server, "-D", "parallelism.default=1", *arguments)


def inferences(triton: Triton, model: str) -> int:
    statistics = json.loads(call(triton.http_url, "GET", f"/v2/models/{model}/stats"))
    return sum(version["inference_count"] for version in statistics["model_stats"])


def test_each_mistake_has_its_line(tmp_path: Path, triton: Triton) -> None:
    text = WRONG.read_text().replace("http://localhost:8000", triton.http_url)
    before = inferences(triton, "pairing")
    done = check(tmp_path, text, triton, "--json")
    assert (done.code, done.err) == (1, "")
    found = {finding["line"]: finding["message"] for finding in done.data["findings"]}
    expected = {line_of(text, place): words for place, words in MISTAKES.items()}
    assert sorted(found) == sorted(expected)
    for line, words in expected.items():
        assert all(word in found[line] for word in words), found[line]
    assert {finding["severity"] for finding in done.data["findings"]} == {"error"}
    assert inferences(triton, "pairing") == before, "nothing runs"


def line_of(text: str, place: str) -> int:
    assert text.count(place) == 1, place
    return text[: text.index(place) + place.startswith("\n")].count("\n") + 1


def test_a_script_without_mistakes_is_said_to_be_right(tmp_path: Path) -> None:
    text = (
        "SET 'a.b' = 'c';\n\nSELECT 1;\nSHOW CATALOGS;\n"
        "CREATE TABLE t (x INT, y AS (x + 1), z AS PROCTIME())\n"
        "WITH ('connector' = 'datagen', 'number-of-rows' = '3');\n"
        "SET 'execution.runtime-mode' = 'batch';\nSELECT y FROM t ORDER BY x;\nQUIT;\n"
    )
    done = check(tmp_path, text, None)
    assert (done.code, done.out, done.err) == (0, "7 statements: nothing is wrong\n", "")


COLUMNS = "id BIGINT, x BIGINT, y BIGINT"
TABLES = f"CREATE TEMPORARY TABLE t ({COLUMNS}) WITH ('connector' = 'datagen', 'number-of-rows' = '9');\n"
#: Queries with a guard, and what is said of each.
GUARDS = {
    "SELECT CASE WHEN x > 0 THEN pairing(x) END FROM t": None,
    "SELECT COALESCE(y, pairing(x)) FROM t WHERE x > 3": None,
    "SELECT id FROM t WHERE x > 5 AND pairing(x) > 3": None,
    "SELECT id FROM t WHERE x > 5 OR pairing(x) > 3": None,
    "SELECT CASE WHEN RAND() < 0.5 THEN pairing(x) END FROM t": "'pairing' stands behind CASE",
    "SELECT CASE WHEN RAND() < 0.5 THEN pairing(x) END, pairing(x) FROM t": None,
    "SELECT COALESCE(CASE WHEN RAND() < 0.5 THEN y END, pairing(x)) FROM t": "'pairing' stands behind COALESCE",
    "SELECT x FROM t WHERE x IN (1, 2) AND (RAND() > 0.5 OR pairing(x) > 3)": "'pairing' stands behind OR",
    "SELECT id, y0 FROM ML_PREDICT(TABLE t, MODEL pairing, DESCRIPTOR(x)) AS p(id, x, y, y0) WHERE id > 3": "WHERE",
    "SELECT id, y0 FROM ML_PREDICT(TABLE t, MODEL pairing, DESCRIPTOR(x)) AS p(id, x, y, y0) WHERE y0 > id": None,
}


def test_a_model_that_is_asked_for_rows_that_nobody_wants_is_a_warning(tmp_path: Path, triton: Triton) -> None:
    done = check(tmp_path, TABLES + "".join(f"{query};\n" for query in GUARDS), triton, "--json")
    assert done.code == 0
    found = {finding["line"]: (finding["severity"], finding["message"]) for finding in done.data["findings"]}
    for line, (query, words) in enumerate(GUARDS.items(), 2):
        severity, message = found.pop(line, ("", ""))
        assert (severity == "warning") == (words is not None), query
        assert (words or "") in message
    assert found == {}


PREDICTION = "ML_PREDICT({}, MODEL pairing, DESCRIPTOR(x)) AS p(id, x, y, y0)"
#: What has a finding, the remedy that it names, and what the remedy makes of it.
ADVICE = (
    ("SELECT x FROM t; SELECT y FROM t;\n", Remedy.BEGIN_A_LINE, "SELECT x FROM t;\nSELECT y FROM t;\n"),
    (
        "SELECT x FROM t; -- all\nSELECT y FROM t;\n",
        Remedy.COMMENT_A_LINE,
        "SELECT x FROM t;\n-- all\nSELECT y FROM t;\n",
    ),
    (
        "SELECT CASE WHEN RAND() < 0.5 THEN pairing(x) END FROM t;\n",
        Remedy.FILTER_BEFORE,
        "SELECT pairing(x) FROM (SELECT x FROM t WHERE RAND() < 0.5);\n",
    ),
    (
        f"SELECT id, y0 FROM {PREDICTION.format('TABLE t')} WHERE id > 3;\n",
        Remedy.FILTER_INSIDE,
        f"SELECT id, y0 FROM {PREDICTION.format('(SELECT * FROM t WHERE id > 3)')};\n",
    ),
)


def test_what_check_advises_helps(tmp_path: Path, triton: Triton) -> None:
    done = check(tmp_path, TABLES + "".join(before for before, _, _ in ADVICE), triton, "--json")
    messages = [finding["message"] for finding in done.data["findings"]]
    assert [remedy() in message for message, (_, remedy, _) in zip(messages, ADVICE, strict=True)] == [True] * 4
    after = check(tmp_path, TABLES + "".join(after for _, _, after in ADVICE), triton)
    assert (after.code, after.out) == (0, "7 statements: nothing is wrong\n")


def test_what_stands_on_a_mistake_is_not_called_one(tmp_path: Path, triton: Triton) -> None:
    text = (
        "CREATE TEMPORARY TABLE source (id BIGINTT) WITH ('connector' = 'datagen');\n"
        "CREATE TABLE made WITH ('connector' = 'blackhole') AS SELECT id, pairing(x) AS z FROM t;\n"
        "INSERT INTO made SELECT id, id FROM source;\n"
        "INSERT INTO made SELECT id, y FROM t; -- behind\n"
        "BEGIN STATEMENT SET;\n"
        "INSERT INTO made SELECT id, 'a' || x FROM t;\n"
        "END;\n"
        "DROP TABLE made;\n"
    )
    done = check(tmp_path, TABLES + text, triton)
    lines = [re.match(r"\S+:(\d+):\d+: ([a-z ]+): (.*)", line) for line in done.out.splitlines()]
    found = [(int(line[1]), line[2], line[3][:40]) for line in lines if line]
    assert [each[:2] for each in found] == [(2, "error"), (4, "not checked"), (6, "warning"), (7, "error")]
    assert "source" in found[1][2]
    assert done.out.endswith("9 statements: 2 errors, 1 warning, 1 not checked\n")


def findings(done: Done) -> list[tuple[int, str, str]]:
    return [(each["line"], each["severity"], each["message"]) for each in done.data["findings"]]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[embedded.EmbeddedSession]:
    """The sessions of the checks of a test."""
    opened: list[embedded.EmbeddedSession] = []

    def open_session(*arguments: Any) -> embedded.EmbeddedSession:
        opened.append(flink.open_session(*arguments))
        return opened[-1]

    monkeypatch.setattr("pyflink_triton.command.check.open_session", open_session)
    return opened


def answer(session: embedded.EmbeddedSession, statement: str) -> set[str]:
    return {str(row[0]) for _, row in session.run(statement).rows()}


#: What would start a job, write a file or empty a table, were it run; {} is a folder.
WRITES = (
    "CREATE /* note */ TABLE a WITH ('connector'='filesystem','path'='{}/a','format'='csv') AS SELECT id FROM t",
    "CREATE TABLE b WITH ('connector'='filesystem','path'='{}/b','format'='csv') AS TABLE t",
    "CREATE TABLE IF NOT EXISTS -- the table\n c WITH ('connector'='filesystem','path'='{}/c','format'='csv')\n"
    "AS ((SELECT id FROM t))",
    "CREATE TABLE snk (id BIGINT) WITH ('connector'='filesystem','path'='{}/snk','format'='csv')",
    "CREATE OR REPLACE /* r */ TABLE snk WITH ('connector'='filesystem','path'='{}/r','format'='csv') AS TABLE a",
    "INSERT INTO snk SELECT id FROM b",
    "EXECUTE INSERT INTO snk SELECT * FROM c",
    "TABLE t",
    "EXECUTE SELECT * FROM t",
    "COMPILE PLAN 'file://{}/plan.json' FOR INSERT INTO snk SELECT id FROM t",
    "COMPILE AND EXECUTE PLAN 'file://{}/plan.json' FOR INSERT INTO snk SELECT id FROM t",
    "EXECUTE PLAN 'file://{}/plan.json'",
    "TRUNCATE TABLE snk",
    "ANALYZE TABLE snk COMPUTE STATISTICS",
    "CREATE MATERIALIZED TABLE m FRESHNESS = INTERVAL '1' MINUTE AS SELECT id FROM t",
    "SHOW JOBS",
    "STOP JOB '228d70913eab60dda85c5e7f78b5782c'",
)


def test_nothing_runs_that_writes_or_starts_a_job(tmp_path: Path, sessions: list[embedded.EmbeddedSession]) -> None:
    text = TABLES + "".join(f"{each};\n" for each in WRITES).replace("{}", str(tmp_path))
    done = check(tmp_path, text, None, "--json")
    assert findings(done) == []
    assert answer(sessions[0], "SHOW TABLES") == {"a", "b", "c", "snk", "t"}
    assert [path.name for path in tmp_path.iterdir()] == ["script.sql"]


@pytest.fixture
def ext(monkeypatch: pytest.MonkeyPatch) -> str:
    """A script that makes a catalog; to the command it is one that keeps what is made."""
    monkeypatch.setattr(embedded, "_IN_MEMORY", ("triton",))
    return "CREATE CATALOG ext WITH ('type' = 'generic_in_memory');\nUSE CATALOG ext;\n"


def test_a_catalog_that_keeps_what_is_made_is_left_alone(
    tmp_path: Path, ext: str, sessions: list[embedded.EmbeddedSession]
) -> None:
    generator = "(id INT) WITH ('connector' = 'datagen')"
    text = (
        f"CREATE /* t */ TABLE t {generator};\n"  # line 3
        "CREATE /* v */ VIEW v AS SELECT id FROM t;\n"
        "CREATE -- a\n TABLE a WITH ('connector' = 'blackhole') AS SELECT id FROM v;\n"
        "INSERT INTO a TABLE t;\n"  # line 7
        "ALTER /* x */ TABLE t ADD extra INT;\n"
        "SELECT extra FROM t;\n"
        "DROP /* x */ TABLE t;\n"
        f"CREATE TABLE t {generator};\n"
        "CREATE /* keep */ DATABASE d2;\n"
        "USE d2;\n"
        "ALTER DATABASE ext.`default` SET ('a' = 'b');\n"
        "USE CATALOG default_catalog;\n"
        "DROP DATABASE ext.`default` CASCADE;\n"
        "CREATE DATABASE here;\n"
        "USE here;\n"
    )
    done = check(tmp_path, ext + text, None, "--json")
    assert findings(done) == [
        (8, "not checked", "it alters 't', which is a temporary one here"),
        (9, "not checked", "it needs 't' of line 8, which did not run here"),
        (13, "not checked", "it needs 'd2' of line 12, which did not run here"),
    ]
    assert done.code == 0
    assert answer(sessions[0], "SHOW DATABASES IN ext") == {"default"}
    sessions[0].run("USE ext.`default`")
    assert answer(sessions[0], "SHOW TABLES") == {"t", "v", "a"}
    for each in ("TABLE t", "VIEW v", "TABLE a"):
        sessions[0].run(f"DROP TEMPORARY {each}")
    assert answer(sessions[0], "SHOW TABLES") == set()


def test_a_store_of_catalogs_is_left_alone(tmp_path: Path) -> None:
    store = ["-D", "table.catalog-store.kind=file", "-D", f"table.catalog-store.file.path={tmp_path}/store"]
    text = "CREATE CATALOG c1 WITH ('type' = 'generic_in_memory');\n"
    for _ in range(2):
        done = check(tmp_path, text, None, *store)
        assert (done.code, done.out, done.err) == (0, "1 statement: nothing is wrong\n", "")
    assert not (tmp_path / "store").exists()


def test_names_and_texts_of_any_kind_are_right(tmp_path: Path) -> None:
    text = (
        "CREATE TABLE IF NOT EXISTS t WITH ('connector' = 'blackhole') AS SELECT 1 AS zz;\n"
        "CREATE TABLE `my``t` WITH ('connector' = 'blackhole') AS SELECT 1 AS id;\n"
        "INSERT INTO `my``t` SELECT CHAR_LENGTH('a;\nb');\n"
        "CREATE TABLE IF NOT EXISTS /* c */ `IF` WITH ('connector' = 'blackhole') AS SELECT 'x) AS (y' AS id;\n"
        "SET /* m */ 'execution.runtime-mode' -- b\n = 'batch';\n"
        "INSERT INTO `IF` SELECT 'x';\n"
        "SELECT nope, 'a;\nb' FROM t;\n"
    )
    ((line, severity, message),) = findings(check(tmp_path, TABLES + text, None, "--json"))
    assert (line, severity, message[:13]) == (10, "error", "Column 'nope'")


@pytest.mark.parametrize("name", ["nowhere.sql", "."])
def test_a_script_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str) -> None:
    done = command("check", "-f", tmp_path / name)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "cannot be read" in done.err


def test_an_option_of_models_needs_a_server(tmp_path: Path, triton: Triton) -> None:
    done = check(tmp_path, "SELECT 1;\n", None, "--option", "timeout=3s")
    assert (done.code, done.out) == (2, "")
    assert Remedy.GIVE_ENDPOINT() in done.err
    assert check(tmp_path, "SELECT 1;\n", triton, "--option", "timeout=3s").code == 0
