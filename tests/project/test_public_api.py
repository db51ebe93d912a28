"""docs/api.md lists what users may rely on, as it is in the code; run this file as a program to write it again."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from places import ROOT
from typer.main import get_command

import pyflink_triton
from pyflink_triton import errors
from pyflink_triton.command.app import app
from pyflink_triton.options.options import OPTIONS

PAGE = ROOT / "docs" / "api.md"
JAVA = ROOT / "java-shim" / "src" / "main"
FACTORIES = JAVA / "resources" / "META-INF" / "services" / "org.apache.flink.table.factories.Factory"
#: What an identifier of a factory is written in, by the class's last words.
WRITTEN_IN = {
    "ModelProviderFactory": "CREATE MODEL ... WITH ('provider' = '{}')",
    "CatalogFactory": "CREATE CATALOG ... WITH ('type' = '{}')",
    "ModuleFactory": "LOAD MODULE {}",
}
#: The variables of the environment that are read; a name that ends so is the beginning of names.
VARIABLES = (
    "PYFLINK_TRITON_CACHE",
    "PYFLINK_TRITON_ENDPOINT_",
    "PYFLINK_TRITON_SECRETS_DIR",
    "PYFLINK_TRITON_SECRET_",
)


def python() -> str:
    blocks = []
    for name in ("pyflink_triton", "pyflink_triton.server"):
        module = importlib.import_module(name)
        objects = [getattr(module, each) for each in module.__all__ if each != "__version__"]
        blocks.append(f"# {name}\n\n" + "\n\n".join("\n".join(declared(each)) for each in objects))
    return "\n\n".join(f"```python\n{block}\n```" for block in blocks)


def declared(found: Any) -> Iterator[str]:
    """The lines that declare a function or a class, with what its docstring says first."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    yield f"# {first_line(node)}"
    if isinstance(node, ast.FunctionDef):
        yield signature(node)
        return
    assert isinstance(node, ast.ClassDef)
    yield f"class {node.name}({', '.join(map(ast.unparse, node.bases))}):".replace("()", "")
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and (not each.name.startswith("_") or each.name == "__init__"):
            decorators = [f"@{ast.unparse(decorator)} " for decorator in each.decorator_list]
            yield f"    {''.join(decorators)}{signature(each)}"
        elif isinstance(each, ast.Assign) and not ast.unparse(each.targets[0]).startswith("_"):
            yield f"    {ast.unparse(each.targets[0])}"


def first_line(node: ast.AST) -> str:
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    return (ast.get_docstring(node) or "").partition("\n")[0]


def signature(node: ast.FunctionDef) -> str:
    """The same in every Python that this runs in."""
    taken = node.args
    assert not taken.posonlyargs
    assert not taken.vararg
    without = [None] * (len(taken.args) - len(taken.defaults))
    written = [argument(*each) for each in zip(taken.args, [*without, *taken.defaults], strict=True)]
    if taken.kwonlyargs:
        written += ["*", *(argument(*each) for each in zip(taken.kwonlyargs, taken.kw_defaults, strict=True))]
    if taken.kwarg:
        written.append(f"**{argument(taken.kwarg, None)}")
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({', '.join(written)}){returned}"


def argument(node: ast.arg, default: ast.expr | None) -> str:
    written = f"{node.arg}: {ast.unparse(node.annotation)}" if node.annotation else node.arg
    return f"{written} = {ast.unparse(default)}" if default else written


def python_errors() -> str:
    tree = textwrap.dedent(str(errors.__doc__)).partition("::\n\n")[2].partition("\n\n")[0]
    return f"```\n{textwrap.dedent(tree)}\n```"


def commands() -> str:
    program: Any = get_command(app)
    lines = [written("pyflink-triton", program)]
    lines += [written(f"pyflink-triton {name}", command) for name, command in sorted(program.commands.items())]
    return "```\n" + "\n".join(lines) + "\n```"


def written(words: str, command: Any) -> str:
    """A command with what it takes."""
    options = [each.opts[0] for each in command.params if each.opts[0].startswith("-")]
    arguments = [str(each.name).upper() for each in command.params if not each.opts[0].startswith("-")]
    return " ".join([words, *sorted({*options, "--help"}), *arguments])


def sql() -> str:
    rows = ["| written | factory in the jar |", "| --- | --- |"]
    for factory in FACTORIES.read_text().split():
        source = (JAVA / "java" / f"{factory.replace('.', '/')}.java").read_text()
        found = re.search(r'factoryIdentifier\(\) \{\s*return "([\w-]+)"', source)
        assert found is not None
        (form,) = [form for words, form in WRITTEN_IN.items() if factory.endswith(words)]
        rows.append(f"| `{form.format(found[1])}` | `{factory}` |")
    return "\n".join(rows)


def options() -> str:
    return textwrap.fill(", ".join(f"`{key}`" for key in OPTIONS), 120, break_on_hyphens=False)


def variables() -> str:
    return ", ".join(f"`{name}{'*' * name.endswith('_')}`" for name in VARIABLES)


def page() -> str:
    text = PAGE.read_text()
    parts = {
        "python": python,
        "errors": python_errors,
        "commands": commands,
        "sql": sql,
        "options": options,
        "variables": variables,
    }
    assert re.findall(r"<!-- (\w+): ", text) == list(parts)
    for name, part in parts.items():
        begin = re.search(rf"<!-- {name}: [^>]*-->\n", text)
        assert begin is not None
        end = text.index(f"<!-- /{name} -->")
        text = f"{text[: begin.end()]}{part()}\n{text[end:]}"
    return text


def test_the_page_lists_what_is_public() -> None:
    """A change here is one that users notice: it has a line in the changelog, too."""
    assert PAGE.read_text() == page(), "run `make pages`, and see what the page says about changes"


def test_every_public_name_can_be_had() -> None:
    for name in pyflink_triton.__all__:
        assert getattr(pyflink_triton, name) is not None
    assert pyflink_triton.__all__ == sorted(pyflink_triton.__all__)


def test_every_error_is_in_the_tree() -> None:
    found = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert set(re.findall(r"\b\w+Error\b", python_errors())) == found


def test_every_variable_that_is_read_is_named() -> None:
    sources = [*ROOT.glob("pyflink_triton/**/*.py"), *JAVA.glob("java/**/*.java")]
    found = {name for path in sources for name in re.findall(r"\bPYFLINK_TRITON_\w+", path.read_text())}
    assert found == set(VARIABLES)


if __name__ == "__main__":
    PAGE.write_text(page())
