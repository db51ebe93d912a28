"""The package's shape: what may import what, and how long a module may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pyflink_triton"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: From the bottom up; a module imports only what stands before it.
LAYERS = (
    ("remedies",),
    ("errors", "version", "units", "concurrency", "addresses"),
    ("arrays", "option", "option_values", "sqltypes"),
    ("options",),
    ("option_parsing",),
    ("datatypes", "scheduling", "conversions"),
    ("signature", "casting"),
    ("columns", "sequence_planning"),
    ("matching", "option_columns", "defaults"),
    ("mapping", "schema", "calls"),
    ("wire", "encode", "array_batch", "failed_rows", "metrics", "outcomes", "breaker", "slots"),
    ("batch_limits",),
    ("request",),
    ("decode", "batching", "sequence_ids", "sequence_loss", "bodies", "connections", "credentials", "tls"),
    ("transport", "splitting", "asking", "promise", "warmup", "letter", "assembly", "sequence_state"),
    ("wording", "endpoints", "sequences"),
    ("client", "retries", "probing"),
    ("delivery", "signature_guard", "assumed"),
    ("predictor",),
    ("planning",),
    ("opening",),
    ("table.model_thread", "table.arrow_exchange", "table.metric_group", "table.loading", "table.data_types"),
    ("table.columns", "table.session", "table.sentences", "table.warned"),
    ("table.row_batches", "table.async_operation"),
    ("table.scalar_function", "table.async_function"),
    ("payload", "table.predict"),
    ("table.provider", "table.connect"),
    ("bridge.environment",),
    ("bridge.frames", "bridge.questions"),
    ("bridge.worker",),
    ("bridge.__main__",),
)


def name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", [path for path in MODULES if not name(path).startswith("table.")], ids=name)
def test_only_the_table_doors_import_flink(path: Path) -> None:
    assert not {module for module in imported(path) if module.split(".")[0] in ("pyflink", "py4j", "pandas")}


@pytest.mark.parametrize("path", [path for path in MODULES if any(name(path) in layer for layer in LAYERS)], ids=name)
def test_imports_point_down(path: Path) -> None:
    level = next(n for n, layer in enumerate(LAYERS) if name(path) in layer)
    above = {module for layer in LAYERS[level:] for module in layer} - {name(path)}
    assert not {f"pyflink_triton.{module}" for module in above} & imported(path)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_its_one_purpose_and_is_short(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a docstring that says why it exists"
    assert len(text.splitlines()) <= 260
