"""Results as text, as the page `docs/performance.md` and as its picture: `python -m benchmarks.report [JSON]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.picture import PARTS, draw
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "latest.json"
_TEMPLATE = Path(__file__).parent / "page.md"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
_Cells = Sequence[str]
Results = Mapping[str, Any]


def as_text(results: Results) -> str:
    """A run as lines for a terminal."""
    lines: list[str] = []
    for _, title, header, rows in _tables(results):
        if rows:
            lines += ["", title, *_aligned([header, *rows])]
    return "\n".join([*lines, ""])


def as_page(results: Results) -> str:
    """A run as the page of the documentation."""
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    tables = "\n".join(_body(results)).rstrip()
    return Template(_TEMPLATE.read_text()).substitute(machine=_machine(results), versions=versions, tables=tables)


def _aligned(rows: Sequence[_Cells]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]


def _machine(results: Results) -> str:
    about = results["machine"]
    hardware = f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}"
    run = f"{about['date']}, commit {about['commit']}, {results['seconds'] // 60} minutes ({results['extent']})"
    warning = "; **a smoke run, so its figures mean nothing**" if results["extent"] == "smoke" else ""
    return f"{hardware}; {run}{warning}"


def _body(results: Results) -> Iterator[str]:
    for heading, title, header, rows in _tables(results):
        if heading:
            yield f"## {heading}"
            yield ""
        if rows:
            if title != heading:
                yield f"**{title[0].upper()}{title[1:]}**"
                yield ""
            yield "| " + " | ".join(header) + " |"
            yield "|" + " --- |" * len(header)
            for row in rows:
                yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            yield ""


def _tables(results: Results) -> Iterator[tuple[str, str, _Cells, Sequence[_Cells]]]:
    """All tables: the heading above one, its title, its header, its rows."""
    yield (
        "Targets",
        "Targets",
        ("what", "target", "measured", "met"),
        [
            (each["what"], each["target"], each["measured"] or "not measured", _yes_no(each["met"]))
            for each in results["targets"]
        ],
    )
    heading = "Rows a second and CPU a row"
    for name, figures in results["throughput"].items():
        yield heading, WORKLOADS[name].title, _THROUGHPUT, [_throughput(each) for each in figures.values()]
        heading = ""
    if "latency" in results:
        yield "Latency", "Latency", ("rows/s offered", "who", "p50", "p99", "rows"), list(_latency(results["latency"]))
    if "rows" in results:
        seconds = [_cost(int(size), each) for size, each in results["rows"]["seconds"].items()]
        yield "Cost a row", "Cost a row", ("rows", "seconds", "µs a row with the start"), seconds
    if "parallelism" in results:
        rows = [
            (_NAMES[who], subtasks, _spread(each, 0))
            for who, by_subtasks in results["parallelism"].items()
            for subtasks, each in by_subtasks.items()
        ]
        yield "Subtasks", "Subtasks", ("who", "subtasks", "rows/s"), rows
    if "lengths" in results:
        lengths = list(_lengths(results["lengths"]))
        yield "Texts of real lengths", "Texts of real lengths", _LENGTHS, lengths
    if "repeats" in results:
        title = "Rows that come again"
        yield title, title, _REPEATS, list(_repeats(results["repeats"]))
    if "footprint" in results or "planning" in results:
        yield "Before the first row", "Before the first row", ("what", "measured"), list(_before(results))


_LENGTHS = ("options", "rows a request", "of the first's", "rows/s", "of the first's")
_REPEATS = ("stream", "rows", "rows/s without the cache", "with it", "ratio", "CPU a row, ratio")
_CPU = ("CPU µs a row", "server", "JVM", "worker", "client", "to raw's", "JIT")
_THROUGHPUT = ("who", "rows/s", "of raw's", *_CPU, "note")
_NAMES = {"raw": "raw tritonclient", "ml_predict": "ML_PREDICT", "mx_streaming": "m(x) in streaming"}


def _throughput(figures: Mapping[str, Any]) -> _Cells:
    title = figures.get("title", "")
    for word in ("failed", "skipped"):
        if word in figures:
            return (title, word, *[""] * 8, figures[word])
    cpu, beside = figures["cpu_us_a_row"], figures.get("beside_raw", {})
    return (
        title,
        _spread(figures["rows_a_second"], 0),
        _spread(beside.get("rows_a_second"), 2),
        _spread(cpu.get("all"), 2),
        *(f"{cpu[part]['median']:.2f}" if part in cpu else "" for part in PARTS),
        _spread(beside.get("cpu"), 2),
        f"{cpu['jit']['median']:.2f}" if "jit" in cpu else "",
        figures["note"],
    )


def _cost(rows: int, seconds: Mapping[str, Any]) -> _Cells:
    return f"{rows:,}", _spread(seconds, 2), f"{seconds['median'] / rows * 1e6:.2f}"


def _latency(latency: Mapping[str, Any]) -> Iterator[_Cells]:
    for rate, by_name in latency.items():
        for name, found in by_name.items():
            yield rate, _NAMES[name], f"{found['p50_ms']:.2f} ms", f"{found['p99_ms']:.2f} ms", str(found["rows"])


def _lengths(lengths: Mapping[str, Any]) -> Iterator[_Cells]:
    for name, found in lengths.items():
        beside = found["beside_first"]
        a_request, a_second = _spread(found["rows_a_request"], 1), _spread(found["rows_a_second"], 0)
        yield name, a_request, _spread(beside["rows_a_request"], 2), a_second, _spread(beside["rows_a_second"], 2)


def _repeats(repeats: Mapping[str, Any]) -> Iterator[_Cells]:
    for found in repeats.values():
        rates = found["rows_a_second"]
        yield (
            found["title"],
            f"{found['rows']:,}",
            *(_spread(rates[way], 0) for way in ("without", "with")),
            _spread(found["rate_ratio"], 2),
            _spread(found.get("cpu_ratio"), 2),
        )


def _before(results: Results) -> Iterator[_Cells]:
    if "footprint" in results:
        found = results["footprint"]
        yield "memory of an idle worker that no other process shares (USS)", f"{_spread(found['uss_mb'], 0)} MB"
        yield "all that it sees (RSS)", f"{_spread(found['rss_mb'], 0)} MB"
        yield "from the start of a worker to the first row of its job", f"{_spread(found['start_ms'], 0)} ms"
    if "planning" in results:
        found = results["planning"]
        yield "planning a statement without a model, warm", f"{_spread(found['without'], 3)} s"
        yield "attaching the server and creating a model", f"{_spread(found['attach'], 3)} s"
        for kind, title in (("function", "m(x)"), ("ml_predict", "ML_PREDICT")):
            yield f"planning the same statement with {title}, the first", f"{_spread(found[f'first_{kind}'], 3)} s"
            yield f"planning the same statement with {title}, later ones", f"{_spread(found[f'later_{kind}'], 3)} s"


def _spread(found: Mapping[str, float] | None, digits: int) -> str:
    if found is None:
        return ""
    median, low, high = (f"{found[key]:,.{digits}f}" for key in ("median", "low", "high"))
    return median if low == high else f"{median} ({low} to {high})"


def _yes_no(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "no"


def main(path: Path = RESULTS) -> None:
    """Write the page and the picture."""
    results = json.loads(path.read_text())
    PAGE.write_text(as_page(results))
    draw(results, PICTURE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
