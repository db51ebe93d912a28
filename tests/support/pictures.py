"""The pictures of the docs, over live jobs (`make pictures`): the dashboard, and Flink's web interface.

There is no Grafana in the registries that the tests use. So matplotlib draws the dashboard, from the same declaration
and from what the same queries give, and says so in the picture. Chromium takes the one of Flink's web interface.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard import Panel, Query, dashboard, panels
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image
from places import ROOT
from prometheus import NoPrometheus, Prometheus
from stack import Stack, running_stack
from triton import call

DASHBOARD = ROOT / "docs" / "dashboard.png"
WEB_INTERFACE = ROOT / "docs" / "flink-web.png"
SECONDS = 140
#: The model of the job `scores`, and how long it is away.
AWAY, AWAY_SECONDS = "pairing", 15
_STEP_SECONDS = 1
_NEEDED = "make pictures needs Chromium (Debian: apt-get install chromium)."
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WINDOW = (1400, 1080)
_COLORS = 64
_WIDTH_INCHES, _UNIT_INCHES, _DPI = 16.0, 0.3, 90
#: A name of so many letters leaves room for four in a line.
_SHORT = 14
_NOTE = "Drawn by matplotlib from the declaration of the dashboard and what its queries gave, and not by Grafana."


@dataclass(frozen=True)
class Window:
    """The time that a picture shows, in seconds since the epoch."""

    begin: float
    end: float


def draw(prometheus: Prometheus, window: Window, path: Path) -> None:
    """Draw the dashboard.

    Args:
        prometheus: What is asked.
        window: The time to show.
        path: The PNG to write.
    """
    shown = dashboard()["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in shown) + 1
    figure = Figure(figsize=(_WIDTH_INCHES, height * _UNIT_INCHES), facecolor="#f4f5f5")
    declared = iter(panels())
    for panel in shown:
        x, y, w, h = (panel["gridPos"][each] for each in "xywh")
        if panel["type"] == "row":
            figure.text(0.008, 1 - (y + 1.6) / height, panel["title"], fontsize=10, weight="bold")
            continue
        inside = (x / 24 + 0.028, 1 - (y + 1 + h * 0.74) / height, w / 24 - 0.036, (h * 0.74 - 1.1) / height)
        axes = figure.add_axes(inside)
        each = next(declared)
        assert each.title == panel["title"]
        lines = _asked(prometheus, each, window)
        _number(axes, each, lines) if each.is_number else _lines(axes, each, lines, window)
    figure.text(0.5, 1 - 0.75 / height, _NOTE, fontsize=8, ha="center", style="italic")
    figure.savefig(path, dpi=_DPI, facecolor=figure.get_facecolor())
    _shrink(path)


def _asked(prometheus: Prometheus, panel: Panel, window: Window) -> list[tuple[str, list[float], list[float]]]:
    """The lines of a panel: each a name, times and values."""
    found = []
    for query in panel.queries:
        for line in prometheus.range(query.filled, window.begin, window.end, _STEP_SECONDS):
            times, values = zip(*line["values"], strict=True)
            name = _named(query, line["metric"])
            found.append((name, [float(each) - window.begin for each in times], [float(each) for each in values]))
    return found


def _named(query: Query, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], "").rstrip("_"), query.legend)


def _lines(axes: Axes, panel: Panel, lines: Sequence[tuple[str, list[float], list[float]]], window: Window) -> None:
    """A panel of lines, with their names below."""
    for name, times, values in lines:
        axes.plot(times, values, linewidth=1.1, label=name[:40])
    axes.set_title(panel.title, fontsize=8, weight="bold", loc="left", pad=3)
    axes.set_xlim(0, window.end - window.begin)
    highest = max((value for _, _, values in lines for value in values), default=0)
    axes.set_ylim(-0.03 * (highest or 1), 1.1 * (highest or 1))  # a line at 0 is seen, too
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _written(panel, value)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))
    axes.tick_params(labelsize=6, length=2)
    axes.set_ylabel(panel.axis, fontsize=6)
    axes.grid(visible=True, linewidth=0.3)
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) > _SHORT else 4
    some = slice(None, None, 1 + (len(labels) - 1) // (3 * columns))
    axes.legend(
        handles[some],
        labels[some],
        fontsize=5.5,
        ncols=columns,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(-0.03, -0.1),
    )


def _number(axes: Axes, panel: Panel, lines: Sequence[tuple[str, list[float], list[float]]]) -> None:
    """A panel of one number: the last value, over its line."""
    for _, times, values in lines:
        axes.fill_between(times, values, color="#3b7dd8", alpha=0.2, linewidth=0)
        axes.text(
            0.5, 0.5, _written(panel, values[-1]), fontsize=17, ha="center", va="center", transform=axes.transAxes
        )
        axes.set_ylim(0, 2 * max(values) or 1)
    axes.set_title(panel.title, fontsize=8, weight="bold", loc="left", pad=3)
    axes.set_xticks([])
    axes.set_yticks([])


def _written(panel: Panel, value: float) -> str:
    """A value as Grafana writes it by the panel's unit."""
    if panel.words:
        return panel.words.get(round(value), "") if value == round(value) else ""
    if panel.unit == "percentunit":
        return f"{100 * value:.3g}%"
    if panel.unit == "bytes":
        return f"{value / (1 << 20):.0f} MiB"
    if panel.unit == "ms":
        return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"
    return f"{value:.3g}"


def _shrink(path: Path) -> None:
    """Leave a picture fewer colours: a third of the bytes."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(_COLORS).save(path, optimize=True)


def browser() -> str:
    """The path of Chromium; the process ends with a sentence where there is none."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        sys.exit(_NEEDED)
    return found


def take(program: str, url: str, path: Path) -> None:
    """Take a picture of a page.

    Args:
        program: Chromium.
        url: The page.
        path: The PNG to write.
    """
    with tempfile.TemporaryDirectory() as profile:
        command = [
            program,
            "--headless",
            "--no-sandbox",  # which root has to say, as in a container
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={_WINDOW[0]},{_WINDOW[1]}",
            "--virtual-time-budget=20000",
            f"--screenshot={path}",
            url,
        ]
        subprocess.run(command, check=True, timeout=180, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _shrink(path)


def main() -> None:
    """Start the stack, let its jobs run for a while, and take the pictures."""
    program = browser()
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory)) as stack:
        begin = time.time()
        let_them_run(stack)
        draw(stack.prometheus, Window(begin, time.time()), DASHBOARD)
        take(program, page_of_the_job(stack), WEB_INTERFACE)
    for picture in (DASHBOARD, WEB_INTERFACE):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")


def let_them_run(stack: Stack) -> None:
    """Let pass what the picture shows: in its middle a model is away for a while."""
    time.sleep(SECONDS / 2)
    call(stack.triton_url, "POST", f"/v2/repository/models/{AWAY}/unload")
    time.sleep(AWAY_SECONDS)
    call(stack.triton_url, "POST", f"/v2/repository/models/{AWAY}/load")
    time.sleep(SECONDS / 2)


def page_of_the_job(stack: Stack) -> str:
    """The page of a job that predicts."""
    return f"{stack.flink.rest_url}/#/job/running/{stack.jobs['scores']}/overview"


if __name__ == "__main__":
    try:
        main()
    except NoPrometheus as error:
        sys.exit(f"make pictures needs Prometheus: {error}")
