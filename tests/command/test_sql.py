"""`pyflink-triton sql`: what rows look like in each format, where a mistake is, and what Ctrl-C leaves."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from commands import Done, command, on_terminal
from processes import children
from triton import Triton, call
from waiting import wait_for

from pyflink_triton.remedies import Remedy

ROWS = """
CREATE TEMPORARY VIEW t AS SELECT * FROM (VALUES
  (1, CAST(3 AS BIGINT), 'a; "b"'), (2, CAST(NULL AS BIGINT), CAST(NULL AS STRING))) AS v (id, x, note);
SELECT id, pairing(x) AS y, note, ARRAY[id, 7] AS many, ROW(x, id) AS parts, id = 1 AS yes, x / 2e0 AS half FROM t;
"""


def sql(triton: Triton, text: str, *arguments: str) -> Done:
    return command("sql", "-e", text, "--endpoint", triton.http_url, "-p", "1", "--mode", "batch", *arguments)


def test_rows_as_json_have_numbers_and_truth_values(triton: Triton) -> None:
    done = sql(triton, ROWS, "--format", "json")
    assert (done.code, done.err) == (0, "")
    rows = sorted((json.loads(line) for line in done.out.splitlines()), key=lambda row: int(row["id"]))
    first = {"id": 1, "y": 10, "note": 'a; "b"', "many": [1, 7], "yes": True, "half": 1.5}
    assert {key: rows[0][key] for key in first} == first
    assert rows[1]["y"] is None
    assert rows[1]["note"] is None
    assert list(rows[0]["parts"].values()) == [3, 1]


PLAIN = ROWS.replace("pairing(x)", "3 * x + 1")


def test_rows_as_csv_and_as_a_table() -> None:
    done = command("sql", "-e", PLAIN, "--mode", "batch", "-p", "1", "--format", "csv")
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header == ["id", "y", "note", "many", "parts", "yes", "half"]
    assert sorted(rows) == [
        ["1", "10", 'a; "b"', "[1, 7]", "(3, 1)", "TRUE", "1.5"],
        ["2", "", "", "[2, 7]", "(NULL, 2)", "FALSE", ""],
    ]
    printed = command("sql", "-e", PLAIN, "--mode", "batch", "-p", "1").out
    assert printed.splitlines()[0].split() == header
    assert "NULL" in printed
    assert "\x1b" not in printed


VALUES = """
SELECT ROW(DATE '2020-01-02', 1) AS a, MAP[1, 'v'] AS b, MAP['k', ROW(1.10, TRUE, CAST(NULL AS INT))] AS c,
  ARRAY[CAST(1.1 AS FLOAT), NULL] AS d, CAST(1.1 AS FLOAT) AS e, X'c3a9ff' AS f, ARRAY[X'c3a9ff'] AS g,
  ROW(INTERVAL '1' DAY, TIME '01:02:03') AS h, INTERVAL '3' MONTH AS i, CAST(NULL AS ARRAY<DATE>) AS j,
  COLLECT(t.d) AS k, CAST('12345678901234567890.10' AS DECIMAL(38, 2)) AS l, MAP[DATE '2020-01-02', ARRAY[2e300]] AS m,
  PARSE_JSON('{"a": 1.5}') AS n
FROM (VALUES (DATE '2020-01-02'), (DATE '2020-01-02')) AS t (d)
"""


def test_values_of_every_type_are_printed() -> None:
    done = command("sql", "-e", VALUES, "--mode", "batch", "-p", "1", "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert list(json.loads(done.out, parse_float=str).values()) == [
        {"EXPR$0": "2020-01-02", "EXPR$1": 1},
        {"1": "v"},
        {"k": {"EXPR$0": "1.10", "EXPR$1": True, "EXPR$2": None}},
        ["1.1", None],
        "1.1",
        "é\ufffd",
        ["é\ufffd"],
        {"EXPR$0": "+1 00:00:00.000", "EXPR$1": "01:02:03"},
        "+0-03",
        None,
        {"2020-01-02": 2},
        "12345678901234567890.10",
        {"2020-01-02": ["2e+300"]},
        {"a": "1.5"},
    ]
    done = command("sql", "-e", VALUES, "--mode", "batch", "-p", "1", "--format", "csv")
    assert list(csv.reader(io.StringIO(done.out)))[1] == [
        "(2020-01-02, 1)",
        "{1=v}",
        "{k=(1.10, TRUE, NULL)}",
        "[1.1, NULL]",
        "1.1",
        "é\ufffd",
        "[é\ufffd]",
        "(+1 00:00:00.000, 01:02:03)",
        "+0-03",
        "",
        "{2020-01-02=2}",
        "12345678901234567890.10",
        "{2020-01-02=[2.0E300]}",
        '{"a":1.5}',
    ]


def test_rows_of_a_stream_have_their_change() -> None:
    text = f"{PLAIN}SELECT COUNT(*) AS n FROM t;SHOW FULL MODULES"
    done = command("sql", "-e", text, "-p", "1", "--format", "csv")
    assert "op,id,y,note" in done.out
    assert "op,n\n+I,1\n-U,1\n+U,2\n" in done.out
    assert done.out.endswith("\ncore,True\n")


def test_what_flink_answers_is_printed_but_its_ok() -> None:
    text = (
        "CREATE TEMPORARY VIEW v AS SELECT 1 AS a; EXPLAIN SELECT a FROM v; SHOW CREATE VIEW v; DROP TEMPORARY VIEW v"
    )
    done = command("sql", "-e", text, "--format", "csv")
    assert done.out.startswith('result\n"== Abstract Syntax Tree ==')
    assert "CREATE TEMPORARY VIEW" in done.out
    assert "OK" not in done.out


def test_a_script_may_set_the_mode() -> None:
    rows = ROWS.strip().partition("SELECT id,")[0]
    text = f"{rows} SET 'execution.runtime-mode' = 'batch'; SELECT COUNT(*) AS n FROM t"
    assert command("sql", "-e", text, "--format", "csv", "-p", "1").out == "n\n2\n"


def test_an_insert_is_waited_for(triton: Triton, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(
        "CREATE TEMPORARY TABLE s (y BIGINT) "
        f"WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{tmp_path}/s');\n"
        "SET 'pipeline.name' = 'mine';\n"
        "BEGIN STATEMENT SET;\nINSERT INTO s SELECT pairing(7);\nINSERT INTO s VALUES (5);\nEND;\n"
        "SELECT y FROM s;\n"
    )
    done = command("sql", "-f", script, "--endpoint", triton.http_url, "--mode", "batch", "-p", "1", "--format", "csv")
    assert (done.code, sorted(done.out.splitlines())) == (0, ["22", "5", "y"])
    assert re.fullmatch(r"job [0-9a-f]{32} finished in [\d.]+ s\n", done.err)


def test_a_mistake_ends_the_script_with_its_line(triton: Triton, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1 AS first_one;\n\nSELECT idd\nFROM (VALUES (1)) AS t (id);\nSELECT 2;\n")
    done = command("sql", "-f", script, "--mode", "batch", "--format", "csv")
    assert (done.code, done.out) == (1, "first_one\n1\n")
    assert done.err == f"pyflink-triton: {script}:3:8: Column 'idd' not found in any table.\n"
    wrong = sql(triton, "SELECT pairing('a')")
    assert (wrong.code, wrong.out) == (1, "")
    assert "input column 'x' is declared BIGINT" in wrong.err
    assert wrong.err.count("\n") == 1


def test_a_job_that_fails_is_one_sentence(triton: Triton) -> None:
    done = sql(triton, "SELECT fails(CAST(1 AS BIGINT)), fails(-1)", "--option", "max-retries=0")
    assert (done.code, done.err.count("\n")) == (1, 1), done.err
    assert "fails" in done.err


def test_wrong_arguments() -> None:
    for arguments in (
        [],
        ["-e", "SELECT 1", "-f", "x.sql"],
        ["-e", "SELECT 1", "-D", "x"],
        ["-e", "x", "--format", "xml"],
    ):
        done = command("sql", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_a_pair_is_written_as_the_message_says() -> None:
    done = command("sql", "-e", "SELECT 1", "-D", "pipeline.name")
    assert Remedy.WRITE_PAIR() in done.err
    assert command("sql", "-e", "SHOW CATALOGS", "-D", "pipeline.name=mine").code == 0


def test_a_gateway_that_is_not_there_is_one_sentence() -> None:
    done = command("sql", "-e", "SELECT 1", "--gateway", "http://127.0.0.1:9")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "http://127.0.0.1:9" in done.err


def test_ctrl_c_on_a_terminal_ends_the_job(triton: Triton) -> None:
    """The line on the terminal counts; Ctrl-C then is 130, and the job, the JVM and the workers end."""
    table = "CREATE TEMPORARY TABLE t (x BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '200')"
    sink = "CREATE TEMPORARY TABLE s (y BIGINT) WITH ('connector' = 'blackhole')"
    text = f"{table};{sink};INSERT INTO s SELECT pairing(MOD(x, 9)) FROM t"
    with on_terminal("sql", "-e", text, "--endpoint", triton.http_url, "-p", "1") as command_:
        command_.until(r"\d rows/s · [1-9]\d* requests · 0 failures")
        command_.interrupt()
        read = command_.until(None)
        assert command_.process.wait(60) == 130, read
        assert "Traceback" not in read
    before = _inferences(triton)
    time.sleep(0.5)
    assert _inferences(triton) == before, "the job has ended"


def test_ctrl_c_while_flink_starts_says_nothing() -> None:
    with on_terminal("sql", "-e", "SHOW CATALOGS") as command_:
        wait_for(lambda: children({command_.process.pid}, b"java"), 120, "Java")
        time.sleep(2)  # its first calls of Java are under way
        command_.interrupt()
        assert command_.until(None).strip() == "^C"
        assert command_.process.wait(60) == 130


def test_a_full_disk_is_one_sentence() -> None:
    program = [sys.executable, "-m", "pyflink_triton"]
    for arguments in (["sql", "-e", "SHOW CATALOGS", "--format", "csv"], ["options"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*program, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
        said = "pyflink-triton: nothing more can be written: No space left on device.\n"
        assert (done.returncode, done.stderr.decode()) == (1, said)


def _inferences(triton: Triton) -> int:
    statistics = json.loads(call(triton.http_url, "GET", "/v2/models/pairing/stats"))
    return sum(version["inference_count"] for version in statistics["model_stats"])


def test_every_query_prints_its_rows() -> None:
    """However it begins, and not the number of the rows of an INSERT."""
    made = "CREATE TEMPORARY VIEW v AS SELECT 5 AS a, DATE '2020-01-02' AS d"
    sink = "CREATE TEMPORARY TABLE s (a INT) WITH ('connector' = 'blackhole')"
    table = "CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1')"
    text = f"{made};{table};{sink};TABLE v;EXECUTE SELECT * FROM v;(SELECT a FROM v);EXECUTE INSERT INTO s TABLE t"
    done = command("sql", "-e", text, "--mode", "batch", "-p", "1", "--format", "json")
    row = '{"a": 5, "d": "2020-01-02"}\n'
    assert (done.code, done.out) == (0, f'{row}{row}{{"a": 5}}\n')
    assert re.fullmatch(r"job [0-9a-f]{32} finished in [\d.]+ s\n", done.err)


def test_what_nothing_ends_is_told_with_its_place(tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SHOW CATALOGS;\n /* x")
    for text, what in (("/* x", "comment"), ("'x", "text"), ("SELECT `x", "name")):
        done = command("sql", "-e", text)
        place = f"line 1:{8 if what == 'name' else 1}"
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"pyflink-triton: {place}: the {what} that begins here is not closed")
    done = command("sql", "-f", script)
    assert "default_catalog\n" in done.out
    assert done.err.startswith(f"pyflink-triton: {script}:2:2: the comment that begins here is not closed")
    done = command("sql", "-e", "== 1")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
