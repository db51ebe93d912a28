"""`pyflink-triton check` finds each mistake of a script with its line, and complains of nothing that is right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import Done, command
from triton import Triton, call

from pyflink_triton.remedies import Remedy

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
