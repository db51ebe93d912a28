"""Plans are read as text: which calls are behind a guard, and how many rows a statement's sources have."""

from __future__ import annotations

from pathlib import Path

from pyflink_triton.command.job_metrics import Counts
from pyflink_triton.command.plans import Lost, lost_guards
from pyflink_triton.command.progress import Rate, describe
from pyflink_triton.command.totals import options_in, total_rows

PLAN = """== Abstract Syntax Tree ==
LogicalProject(id=[$0], a=[CASE(>($1, 0), m($1), null:BIGINT)], b=['m(x), CASE(' || $2], c=[{other}])
+- LogicalTableScan(table=[[c, d, t]])

== Optimized Physical Plan ==
Calc(select=[id, CASE(>(x, 0), f0, null:BIGINT) AS a])
+- AsyncCalc(select=[id, x, m({argument}) AS f0])
   +- Calc(select=[id, x, {below}])
      +- TableSourceScan(table=[[c, d, t]], fields=[id, x])

== Optimized Execution Plan ==
"""


def test_a_guard_is_kept_where_the_argument_has_it() -> None:
    for other, argument, below, lost in (
        ("1", "x", "y", [Lost("m", "CASE")]),
        ("1", "f1", "CASE(>(x, 0), x, null:BIGINT) AS f1", []),
        ("1", "f1", "CASE(>(x, 0), x, null:BIGINT) AS f2", [Lost("m", "CASE")]),
        ("m($1)", "x", "y", []),
    ):
        assert lost_guards(PLAN.format(other=other, argument=argument, below=below), {"m", "n"}) == lost
    assert lost_guards(PLAN.format(other="1", argument="x", below="y"), {"n"}) == []


PREDICTION = """== Optimized Physical Plan ==
Calc(select=[id, y], where=[<({column}, 0)])
+- MLPredictTableFunction(invocation=[ML_PREDICT(TABLE(#0), Model(MODEL c.d.m))], rowType=[RecordType({row})])
   +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)])
      +- TableSourceScan(table=[[c, d, t]], fields=[id, x, ts])
"""


def test_a_where_on_what_the_model_gives_cannot_stand_inside() -> None:
    row = "INTEGER id, FLOAT x, TIMESTAMP(3) *ROWTIME* ts, FLOAT y"
    found = {column: lost_guards(PREDICTION.format(column=column, row=row), ()) for column in ("x", "y")}
    assert found == {"x": [Lost("m", "WHERE", of_prediction=True)], "y": []}


def test_the_rows_of_sources_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_text("1,2\n" * 500)
    (tmp_path / ".hidden").write_text("1,2\n" * 500)
    tables = {
        "`c`.`d`.`numbers`": {"connector": "datagen", "number-of-rows": "70"},
        "`c`.`d`.`files`": {"connector": "filesystem", "format": "csv", "path": f"file://{tmp_path}"},
        "`c`.`d`.`endless`": {"connector": "datagen"},
    }

    def total(*names: str) -> int | None:
        scans = "\n".join(f"  +- LogicalTableScan(table=[[c, d, {name}]])" for name in names)
        values = "  +- LogicalValues(tuples=[[{ 1 }, { 2 }]])"
        return total_rows(f"== Abstract Syntax Tree ==\n{scans}\n{values}\n== Optimized", tables.__getitem__)

    assert total("numbers", "files") == 572
    assert total() == 2
    assert total("numbers", "endless") is None
    assert options_in("CREATE TABLE t (x INT)\nWITH (\n  'connector' = 'datagen',\n  'a' = 'it''s'\n)") == {
        "connector": "datagen",
        "a": "it''s",
    }


def test_how_far_a_job_is_in_words() -> None:
    rate = Rate()
    assert rate.add(10.0, 0) == 0
    assert rate.add(12.0, 3000) == 1500
    counts = Counts(rows=3000, failures=2, requests=47, left=None)
    assert describe(counts, 1500, 123_000) == (
        "3,000 of 123,000 rows · 1,500 rows/s · 47 requests · 2 failures · 1 min 20 s left"
    )
    assert describe(counts, 1500, None) == "3,000 rows · 1,500 rows/s · 47 requests · 2 failures"
    pending = Counts(rows=3000, failures=2, requests=47, left=30)
    assert describe(pending, 1.0, None).endswith("30 s left")
