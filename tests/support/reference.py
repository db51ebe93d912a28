"""The pages and lines of the docs that come from the code; run this file as a program to write them (`make pages`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from places import ROOT

from pyflink_triton.options.options import OPTIONS
from pyflink_triton.remedies import Remedy
from pyflink_triton.types.triton import DATATYPES

PACKAGE = ROOT / "pyflink_triton"
_REFERENCE = ROOT / "docs" / "reference"
_WRITTEN = "This page is written by `make pages` from the code."


def types() -> str:
    rows = ["| Triton | Flink | also as INPUT | also as OUTPUT |", "| --- | --- | --- | --- |"]
    for datatype in DATATYPES.values():
        inputs = ", ".join(f"`{name}`" for name in datatype.inputs if name != datatype.sql)
        outputs = ", ".join(f"`{name}`" for name in datatype.outputs if name != datatype.sql)
        range_checked = ", each value checked" if datatype.is_checked else ""
        rows.append(f"| `{datatype.name}` | `{datatype.sql}`{range_checked} | {inputs or '-'} | {outputs or '-'} |")
    return "\n".join(rows)


def types_page() -> str:
    return f"""# Reference: types

The column that belongs to each of Triton's datatypes, and what may be declared in its place. `BYTES` in place of any
datatype but `BYTES` is the tensor's content ([raw tensors](../raw-tensors.md)). [Columns and types](../types.md)
explains shapes, NULLs and casts. {_WRITTEN}

{types()}

"Each value checked": the column's type holds more values than the datatype. A value that the datatype cannot hold is an
error of its row.
"""


def options() -> str:
    rows = ["| option | type | default | what |", "| --- | --- | --- | --- |"]
    for option in OPTIONS.values():
        default = "must be set" if option.required else f"`{option.default_text}`".replace("`-`", "-")
        rows.append(f"| `{option.key}` | {option.type} | {default} | {option.description} |")
    return "\n".join(rows)


def options_page() -> str:
    return f"""# Reference: options

They are taken in four places: in `CREATE MODEL ... WITH`; in a catalog or module of the type `triton`, as the defaults
of its models; by PyFlink's provider; and in the `MAP` of `ML_PREDICT`, which overrides the model's
([how](../ml-predict.md#options-of-one-call)). In `connect()` and `session()` write `_` for `-`. An unknown option is
refused, and the message names the most similar one. {_WRITTEN}

{options()}

A *Duration* is a whole number with a unit (`500 ms`, `30s`, `5 min`), a *Size* too (`64 kb`, `32 mb`).
"""


def versions() -> str:
    """The line of versions, from what pyproject.toml allows."""
    text = (ROOT / "pyproject.toml").read_text()
    flink, python = (
        between(bounds)
        for bounds in (
            re.search(r'"apache-flink([^"]*)"', text),
            re.search(r'requires-python = "([^"]*)"', text),
        )
    )
    return (
        f"Flink {' and '.join(flink)} · CPython {python[0]} to {python[-1]} · Java 17 · Triton 2.51 "
        "(other servers of its protocol, too) · Linux x86-64"
    )


def between(bounds: re.Match[str] | None) -> list[str]:
    """The minor versions of `>=3.10,<3.13`."""
    assert bounds is not None
    found = re.fullmatch(r">=(\d+)\.(\d+)[.\d]*,<(\d+)\.(\d+)", bounds[1])
    assert found is not None, bounds[1]
    major, first, last_major, after = map(int, found.groups())
    assert major == last_major
    return [f"{major}.{minor}" for minor in range(first, after)]


# Messages

#: What stands before the remedy where the code puts the message together elsewhere.
_SAID: Mapping[str, str] = {
    "WRITE_HEADERS": "option 'custom-headers' = '...' is not ...",
    "WRITE_PARAMETERS": "option 'parameters' is not a JSON object",
    "DID_YOU_MEAN": "there is no option '...'",
    "WRITE_OTHER_KEY": "option '...' is not needed, because ...",
    "USE_NEWER_FLINK": "PyFlink 2.2... in ... has no ...",
    "CONVERT": "input column '...' is declared ..., but the argument is ...",
    "CONVERT_TEXT": "input column '...' is declared ..., but the argument is BYTES",
    "NO_CAST": "input column '...' is declared ..., but the argument is ...",
    "DECODE": "input column '...' is declared STRING, but the argument is BYTES",
    "CAST_NULL": "argument '...' is a NULL without a type",
    "CAST_NEAREST": "column '...' holds a ... that ... cannot hold exactly",
    "DECLARE_RAW": "column '...' is BYTES. Type mismatch: expected ... but got BYTES",
    "DECLARE_AND_CONVERT_ARGUMENT": "input column '...' is ... Type mismatch: expected ... but got ...",
    "DECLARE_AND_CONVERT_RESULT": "output column '...' is ... Type mismatch: expected ... but got ...",
    "DECLARE_IN_INPUT": "input column '...' is declared STRING, but the argument is BYTES",
    "ADD_ERROR_COLUMN": "option 'error-column' = '...' names no OUTPUT column",
    "ADD_OUTPUT": "option '...' = '...' names no OUTPUT column",
    "NAME_TEXT_OUTPUT": "option '...' = '...' is an OUTPUT column of type ...",
    "SET_RESPONSES": "Triton's model '...' at ... answered HTTP 501: ... decoupled ...",
    "CHECK_CREDENTIALS": "Triton's model '...' at ... answered HTTP 401: ...",
    "WRITE_HTTP_OR_SHOW_CERTIFICATE": "Failed to connect to Triton server at https://...: connection reset",
    "PLAN_WITHOUT_SERVER": "Failed to connect to Triton server at ...: Connection refused",
    "WRITE_PAIR": "--option is '...'",
    "CREATE_WITHOUT_SERVER": "Failed to connect to Triton server at ...: Connection refused",
    "INSTALL_JAVA": "PyFlink starts Java as '...', and there is none",
    "SET_FLINKS_JAVA_HOME": "PyFlink starts Java as '...', and there is none",
    "DECLARE_ALL": "Triton's model '...' at ... answered HTTP 403: ...",
    "CORRECT_OPTION": "option '...' names '...', which cannot be read on this machine: ...",
    "CHECK_PATH": "what answers at ... is Triton's HTTP port, and has nothing at this path: HTTP 404: ...",
    "CORRECT_PROXY": "the proxy ... of the environment, which stands before ..., cannot be reached: ...",
    "RENEW_CERTIFICATE": "the certificate of ... is trusted (...), and is valid until ...",
    "WRITE_CERTIFIED_HOST": "Failed to connect to Triton server at ...: the TLS handshake failed: ... mismatch ...",
    "SET_TOKEN": "Triton at ... answered HTTP 401: ..., to a call without a token",
    "WAIT_FOR_SERVER": "the server at ... is not ready: HTTP 503: ...",
    "LOAD_MODEL": "the model '...' at ... failed to load: ...",
    "NAME_READY_MODEL": "the server at ... has no model '...'",
    "NAME_READY_VERSION": "the model '...' at ... has no version ... that is ready",
    "GIVE_INSTANCES": "a row takes ... in ... inferences, most of it server's queue: ...",
    "CORRECT_FLINK_HOME": "... has no lib/flink-dist-*.jar: it is not the directory of a Flink",
    "REMOVE_JARS": "... is of version ..., and the package of ...",
    "USE_FLINK": "the Flink in ... has version ..., which the jar does not fit",
    "CHECK_FLINK_URL": "the cluster at ... does not tell its version: ...",
    "NAME_PYTHON": "the Python ... (python.executable) cannot be started: ...",
    "USE_PYTHON": "the Python ... (python.executable) is CPython ..., which this package does not run in",
}
#: The modules whose messages come after the option's name and value, and what stands between.
_OPTIONS: Mapping[str, str] = {"parsers.py": "", "request_parameters.py": "", "_units.py": "is not "}
_STRINGS = (ast.JoinedStr, ast.BinOp, ast.FormattedValue)
_HERE = "\0"


def _remedy(node: ast.AST) -> str | None:
    """The name of a remedy that is called."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id == "Remedy":
            return node.func.attr
    return None


def _text(node: ast.AST) -> str:
    """A message as far as its text is known: `...` for what is filled in, and a mark for a remedy."""
    if _remedy(node):
        return _HERE
    if isinstance(node, ast.Constant):
        return re.sub(r"\{\w+\}", "...", str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.FormattedValue) and _remedy(node.value):
        return _HERE
    return "..."


def messages() -> dict[str, list[str]]:
    """What each remedy follows in the package's messages, by its name; nothing where the code puts it together."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            name = _remedy(node)
            if name is None:
                continue
            whole: ast.AST = node
            while isinstance(parents.get(whole), _STRINGS):
                whole = parents[whole]
            found.setdefault(name, set()).add(_before(_text(whole), path))
    return {name: sorted(texts - {""}) for name, texts in found.items()}


def _before(text: str, path: Path) -> str:
    """What stands before the remedy; what an option's parser says comes after the option."""
    before = re.sub(r"(?<!\.)\.$|(?<=\.{3})\.$", "", text.partition(_HERE)[0].strip(" :;"))
    if re.match(r"\.? |[,.] ", before):
        before = f"...{before}"
    if not re.search(r"\w{3}", before):
        return ""
    known = _OPTIONS.get(path.name)
    return before if known is None else f"option '...' = '...' {known}{before}"


def _groups() -> dict[str, list[Remedy]]:
    """The remedies under the comments that group them in their file."""
    groups: dict[str, list[Remedy]] = {}
    for comment, name in re.findall(
        r"^    (?:# (.*)|([A-Z_]+) = .*)$", (PACKAGE / "remedies.py").read_text(), re.MULTILINE
    ):
        if comment:
            groups[comment] = []
        else:
            groups[list(groups)[-1]].append(Remedy[name])
    return groups


def _code(text: str) -> str:
    """A text as code in a table."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def template(remedy: Remedy) -> str:
    """What a remedy says, `...` for what is filled in."""
    text = re.sub(r"(?<!\{)\{\w+\}(?!\})", "...", remedy.value).replace("{{", "{").replace("}}", "}")
    return text[0].upper() + text[1:]


_JAVA = ROOT / "java-shim" / "src" / "main" / "java"
#: An error that is made for a user, and what it is made of.
_JAVA_ERROR = re.compile(
    r"new (?:Statement|Validation|Worker|Catalog)Exception\(\s*((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")*?)\);"
)
_JAVA_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"([^"]*)')


def java_messages() -> list[tuple[str, str]]:
    """The messages of the jar that say what to do: what was wrong, and the remedy."""
    found = set()
    for path in _JAVA.rglob("*.java"):
        for error in _JAVA_ERROR.findall(path.read_text()):
            parts = _JAVA_TEXT.findall(error)
            text = "".join(part + ("..." if between.count("+") > 1 else "") for part, between in parts)
            wrong, *rest = re.split(r"; |(?<!\.)\. (?=[A-Z])", re.sub(r"%[sd]", "...", text), maxsplit=1)
            for remedy in rest:
                found.add((wrong, (remedy[0].upper() + remedy[1:]).removesuffix(".")))
    return sorted(found)


def messages_page() -> str:
    found = messages()
    parts = []
    for group, remedies in _groups().items():
        rows = ["| message | what it says to do |", "| --- | --- |"]
        for remedy in remedies:
            before = [_SAID[remedy.name]] if remedy.name in _SAID else found[remedy.name]
            assert before, f"say in _SAID what the message of Remedy.{remedy.name} begins with"
            said = "<br>".join(map(_code, before))
            rows.append(f"| {said} | {_code(template(remedy))} |")
        parts.append(f"## {group}\n\n" + "\n".join(rows))
    rows = ["| message | what it says to do |", "| --- | --- |"]
    rows += [f"| {_code(wrong)} | {_code(remedy)} |" for wrong, remedy in java_messages()]
    parts.append("## Flink's planner and the jar\n\n" + "\n".join(rows))
    return f"""# Reference: messages

What this project says of a mistake, and what each message tells you to do; `...` is filled in. A message also says
where: the model, the column, the server. For each remedy of the Python side a test does what it says, and sees that it
helps. [Troubleshooting](../troubleshooting.md) goes by what you see. {_WRITTEN}

{chr(10).join(f"{part}{chr(10)}" for part in parts)}"""


PAGES: Mapping[Path, Callable[[], str]] = {
    _REFERENCE / "options.md": options_page,
    _REFERENCE / "types.md": types_page,
    _REFERENCE / "messages.md": messages_page,
}
#: Pages with a block between two comments, and what the block holds.
BLOCKS: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    ROOT / "README.md": {"versions": versions},
    ROOT / "docs" / "upgrades.md": {"versions": versions},
}


def written(path: Path) -> str:
    """A page as it has to be."""
    if path in PAGES:
        return PAGES[path]()
    text = path.read_text()
    for name, block in BLOCKS[path].items():
        begin = re.search(rf"<!-- {name}: [^>]*-->\n", text)
        assert begin is not None, f"{path} has no block '{name}'"
        end = text.index(f"<!-- /{name} -->")
        text = f"{text[: begin.end()]}{block()}\n{text[end:]}"
    return text


if __name__ == "__main__":
    for page in (*PAGES, *BLOCKS):
        page.write_text(written(page))
