"""A script's statements and their lines, by the rules of Flink's SQL client."""

from __future__ import annotations

import pytest

from pyflink_triton.command.script import Script, created, names_in

SCRIPT = """-- a comment; with a semicolon
SET 'a' = 'b; c';

/* another;
   one */ CREATE TABLE `t;1` (
  x INT -- not the end;
) WITH ('k' = 'it''s; so');
SELECT 1; SELECT 2; -- behind
SELECT U&'\\000A;', e'a\\';b', /*+ OPTIONS('a'=';') */ 4;
EXECUTE STATEMENT SET
BEGIN
  INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM t;
  INSERT INTO b SELECT 2;
END;
BEGIN STATEMENT SET;
INSERT INTO c SELECT 3;
END;
;;
SELECT 'last'
"""


def test_each_statement_has_its_line() -> None:
    script = Script(SCRIPT)
    found = [(script.place(each.start)[0], each.text.split("\n")[0]) for each in script.pieces()]
    assert found == [
        (2, "SET 'a' = 'b; c'"),
        (5, "CREATE TABLE `t;1` ("),
        (8, "SELECT 1"),
        (8, "SELECT 2"),
        (9, "SELECT U&'\\000A;', e'a\\';b', /*+ OPTIONS('a'=';') */ 4"),
        (10, "EXECUTE STATEMENT SET"),
        (12, "INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM t"),
        (13, "INSERT INTO b SELECT 2"),
        (14, "END"),
        (15, "BEGIN STATEMENT SET"),
        (16, "INSERT INTO c SELECT 3"),
        (17, "END"),
        (19, "SELECT 'last'"),
    ]


def test_a_statement_set_is_one_statement() -> None:
    sets = [each for each in Script(SCRIPT).statements() if each.opens_set]
    assert [" ".join(each.text.split()) for each in sets] == [
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM t; INSERT INTO b SELECT 2; END",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO c SELECT 3; END",
    ]
    assert len(list(Script(SCRIPT).statements())) == 8


def test_what_the_sql_client_refuses_is_marked() -> None:
    marked = {each.text: (each.is_second, each.follows_comment) for each in Script(SCRIPT).pieces()}
    assert {text for text, marks in marked.items() if any(marks)} == {
        "SELECT 2",
        "SELECT U&'\\000A;', e'a\\';b', /*+ OPTIONS('a'=';') */ 4",
    }
    assert marked["SELECT 2"] == (True, False)


@pytest.mark.parametrize(
    ("text", "at"), [("SELECT 'abc FROM t;\nSELECT 1;\n", 7), ("SELECT /* 1;\n", 7), ("SELECT `x;\n", 7)]
)
def test_a_text_that_nobody_closes_goes_on_to_the_end(text: str, at: int) -> None:
    (statement,) = Script(text).pieces()
    assert (statement.unclosed, statement.end) == (at, len(text))


def test_an_unclosed_text_is_left_at_the_end_of_its_line() -> None:
    script = Script("SELECT 'abc FROM t;\nSELECT 1;\nSELECT 'x';\n")
    statement = script.next(0)
    assert statement is not None
    assert script.resume_after_text(statement) == (7, 19)


def test_a_text_with_a_semicolon_at_the_end_of_a_line_may_be_closed() -> None:
    script = Script("SELECT 'a;\nb', 'c;\n-- d\nSELECT 1;\n")
    statement = script.next(0)
    assert statement is not None
    assert script.resume_after_text(statement) == (15, 18)


def test_places_and_offsets_are_those_of_the_file() -> None:
    script = Script("\n\n  SELECT a,\n    b FROM t;\n")
    (statement,) = script.pieces()
    assert script.place(statement.start) == (3, 3)
    assert script.place(script.offset(statement, 1, 8)) == (3, 10)
    assert script.place(script.offset(statement, 2, 5)) == (4, 5)
    assert script.line(4) == "    b FROM t;"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CREATE /* TABLE a */ TABLE IF NOT EXISTS -- b\n c.d . `e``f` (x INT)", "e`f"),
        ("create or replace table `IF` AS SELECT 1", "IF"),
        ("CREATE TEMPORARY SYSTEM FUNCTION f AS 'TABLE t'", "f"),
        ("CREATE TABLE", None),
        ("DROP TABLE t", None),
        ("INSERT INTO t SELECT 'CREATE TABLE t'", None),
    ],
)
def test_the_name_of_what_is_made(text: str, name: str | None) -> None:
    assert created(text) == name


def test_the_names_of_a_statement() -> None:
    assert names_in("SELECT A, 'b' /* c */ FROM `d``E`") == {"select", "a", ",", "from", "d`e"}


def test_a_script_of_nothing_has_no_statement() -> None:
    for text in ("", "\n", "-- only;\n", ";;\n;"):
        assert list(Script(text).pieces()) == []
