"""The package's shape: which package may import which, and that each says what lives there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from places import ROOT

PACKAGE = ROOT / "pyflink_triton"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What each package may import besides itself, from the bottom up.
MAY_IMPORT = {
    "options": {"root"},
    "types": {"root"},
    "model": {"root", "types"},
    "schema": {"root", "options", "types", "model"},
    "protocol": {"root", "types", "model"},
    "tensors": {"root", "options", "types", "model", "schema", "protocol"},
    "http": {"root", "options", "model", "protocol"},
    "delivery": {"root", "options", "model", "protocol", "http"},
    "sequences": {"root", "options", "model", "tensors"},
    "runtime": {"root", "options", "types", "model", "schema", "protocol", "tensors", "http", "delivery", "sequences"},
    "server": set(),
    "table": {"root", "options", "types", "schema", "runtime"},
    "bridge": {"root", "options", "runtime", "table"},
    "doctor": {"root", "options", "types", "model", "protocol", "http", "delivery", "runtime", "table"},
    "command": {"root", "options", "model", "schema", "protocol", "delivery", "runtime", "server", "table", "doctor"},
    "top": {"root", "table", "command"},
}
#: The root's modules, from the bottom up: each may import those before it.
ROOT_MODULES = (
    "remedies",
    "errors",
    "version",
    "_internals",
    "_logs",
    "_units",
    "_async",
    "_arrow",
    "addresses",
    "metric_table",
    "process_usage",
    "metrics",
    "jar",
)
#: What stands on top of all: what `import pyflink_triton` gives, and `python -m pyflink_triton`.
TOP_MODULES = ("__init__", "__main__")
#: What relies on the inside of other libraries; docs/compat.md has an entry for each.
COMPAT = tuple(path for path in MODULES if path.stem == "compat" or path.parent.name == "compat")
#: Modules of PyFlink that are its inside, and the bridge to Java that it stands on.
INSIDE_PYFLINK = (
    "pyflink.fn_execution",
    "pyflink.java_gateway",
    "pyflink.pyflink_gateway_server",
    "pyflink.table.utils",
    "pyflink.util",
    "py4j",
)


def name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def package(module: str) -> str:
    first, _, rest = module.partition(".")
    if rest:
        return first
    return "top" if module in TOP_MODULES else "root"


def imported(path: Path) -> set[str]:
    """What a module imports, by full name; what is inside a function counts, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def own_imports(path: Path) -> set[str]:
    """The package's modules that a module imports."""
    known = {name(each).removesuffix(".__init__") for each in MODULES}
    found = set()
    for full in imported(path):
        inside = full.removeprefix("pyflink_triton").removeprefix(".")
        if full.split(".")[0] == "pyflink_triton":
            found.add(inside if inside in known else inside.rpartition(".")[0] or "__init__")
    return found - {name(path)}


def test_a_rule_names_every_package_and_module() -> None:
    packages = {package(name(path)) for path in MODULES}
    assert packages == {*MAY_IMPORT, "root"}
    assert {name(path) for path in MODULES if package(name(path)) == "root"} == set(ROOT_MODULES)
    assert {name(path) for path in MODULES if package(name(path)) == "top"} == set(TOP_MODULES)


def test_packages_stand_on_those_before_them() -> None:
    known = {"root"}
    for each, may in MAY_IMPORT.items():
        assert may <= known, each
        known.add(each)


@pytest.mark.parametrize("each", MAY_IMPORT)
def test_a_package_imports_what_its_rule_allows(each: str) -> None:
    paths = [path for path in MODULES if package(name(path)) == each]
    used = {
        package(f"{module}.__init__" if (PACKAGE / module).is_dir() else module)
        for path in paths
        for module in own_imports(path)
    }
    assert used - {each} == MAY_IMPORT[each], "a package that is allowed and not used has left the rule behind"


def test_the_roots_modules_import_those_before_them() -> None:
    for position, module in enumerate(ROOT_MODULES):
        assert own_imports(PACKAGE / f"{module}.py") <= set(ROOT_MODULES[:position]), module


def test_no_module_is_imported_in_a_circle() -> None:
    left = {name(path): own_imports(path) for path in MODULES if path.name != "__init__.py"}
    while free := {module for module, used in left.items() if not used & left.keys()}:
        left = {module: used for module, used in left.items() if module not in free}
    assert not left


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_only_the_table_package_imports_flink(path: Path) -> None:
    if package(name(path)) != "table":
        assert not {module for module in imported(path) if module.split(".")[0] in ("pyflink", "py4j", "pandas")}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_only_compat_relies_on_the_inside_of_others(path: Path) -> None:
    if path not in COMPAT:
        assert not {module for module in imported(path) if module.startswith(INSIDE_PYFLINK)}
        assert private_names(path) <= {"os._exit"}


#: Who may import what carries bytes: connections of our own, and aiohttp for the proxies of the environment alone.
CARRIERS = {
    "aiohttp": {"http.body", "http.compat", "http.proxied_client"},
    "yarl": {"http.proxied_client"},
    "aiohappyeyeballs": {"http.connection_pool"},
    "httptools": {"http.response_head"},
    "uvloop": {"_async"},
}


@pytest.mark.parametrize("library", CARRIERS)
def test_what_carries_bytes_is_imported_in_one_place(library: str) -> None:
    users = {name(path) for path in MODULES if library in {module.split(".")[0] for module in imported(path)}}
    assert users == CARRIERS[library]


def test_aiohttp_is_imported_only_where_a_proxy_is_used() -> None:
    """The module that imports it is imported inside a function."""
    users = {name(path) for path in MODULES if "http.proxied_client" in own_imports(path)}
    assert users == {"http.transport"}
    top = ast.parse((PACKAGE / "http" / "transport.py").read_text()).body
    assert not [node for node in top if isinstance(node, ast.ImportFrom) and "proxied" in str(node.module)]


def test_the_event_loop_policy_of_the_process_is_never_set() -> None:
    for path in MODULES:
        assert not re.search(r"set_event_loop_policy|uvloop\.install|uvloop\.run", path.read_text()), name(path)


def private_names(path: Path) -> set[str]:
    """The private names of others that a module touches: what it imports, and attributes of all but ``self``."""
    tree = ast.parse(path.read_text())
    attributes = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) not in ("self", "cls")
    }
    others = {each for each in imported(path) if not each.startswith("pyflink_triton")}
    return attributes | {each for each in others if is_private(each.rpartition(".")[2])}


def is_private(word: str) -> bool:
    return word.startswith("_") and not word.startswith("__")


def test_compat_stands_below_what_uses_it() -> None:
    tables = [path for path in COMPAT if package(name(path)) == "table"]
    assert tables
    for path in tables:
        own = {module for module in own_imports(path) if not module.startswith("table.compat")}
        assert own <= set(ROOT_MODULES), name(path)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_its_one_purpose(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a docstring that says why it exists"
