"""What MkDocs needs to show more than `docs/`: README as the home page, examples, and the files that pages link.

Pages are written for readers of the checkout, so they link files outside `docs/` as they lie there. Here each of those
files becomes a page of the site, and the links to it are written anew.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent.parent
#: Pages outside docs/, by their place in the project, and what they are on the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "examples/README.md": "examples.md",
    "docker/README.md": "docker.md",
}
#: What the theme would load from elsewhere for the search in pages that are opened as files, and the copy of it here.
_ELSEWHERE, _HERE = "https://unpkg.com/iframe-worker/shim", "javascripts/iframe-worker.js"
_LANGUAGES = {".py": "python", ".java": "java", ".json": "json", ".yaml": "yaml", ".sh": "sh"}
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, and a page for each other file that is linked."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text()))
    for file in list(files.documentation_pages()):
        for found in _LINK.finditer(file.content_string):
            target = _outside(_source(file.src_uri), found["path"])
            if target and target not in PAGES and not files.get_file_from_path(_uri(target)):
                level = InclusionLevel.NOT_IN_NAV
                files.append(File.generated(config, _uri(target), content=_shown(target), inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the links to files outside docs/, and those in pages from there, as the site has them."""
    here = page.file.src_uri
    source = _source(here)

    def site_link(found: re.Match[str]) -> str:
        path = _in_project(source, found["path"])
        uri = path.removeprefix("docs/") if path.startswith("docs/") else _uri(path)
        if path.startswith("docs/") and source.startswith("docs/") and not files.get_file_from_path(uri):
            return found[0]  # left for MkDocs to report
        return posixpath.relpath(uri, posixpath.dirname(here) or ".") + (found["anchor"] or "")

    return _LINK.sub(site_link, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give each cell of a table the heading of its column: on a phone a row becomes a card of its cells."""
    return re.sub(r"<table>.*?</table>", lambda table: _with_labels(table[0]), html, flags=re.DOTALL)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Let a page load nothing from elsewhere."""
    output = output.replace(_ELSEWHERE, posixpath.relpath(_HERE, posixpath.dirname(page.file.dest_uri) or "."))
    loaded = re.findall(r"<(?:script|link rel=\"stylesheet\"|img)[^>]* (?:src|href)=\"((?:https?:)?//[^\"]+)", output)
    if loaded:
        raise PluginError(f"{page.file.src_uri} loads {loaded}")
    return output


def _with_labels(table: str) -> str:
    """A table whose cells name their columns."""
    head, _, body = table.partition("<tbody>")
    labels = [re.sub(r"<[^>]+>", "", label) for label in re.findall(r"<th[^>]*>(.*?)</th>", head, re.DOTALL)]

    def labelled(row: re.Match[str]) -> str:
        left = iter(labels)
        return re.sub(r"<td", lambda _: f'<td data-label="{next(left, "")}"', row[0])

    return f"{head}<tbody>{re.sub(r'<tr>.*?</tr>', labelled, body, flags=re.DOTALL)}"


def _source(uri: str) -> str:
    """Where a page of the site comes from, from the project's root."""
    return next((source for source, shown in PAGES.items() if shown == uri), f"docs/{uri}")


def _in_project(source: str, link: str) -> str:
    """Where a link of a page leads, from the project's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _outside(source: str, link: str) -> str:
    """The file outside docs/ that a link leads to; empty where it is another thing."""
    path = _in_project(source, link)
    return path if not path.startswith("docs/") and (ROOT / path).exists() else ""


def _uri(path: str) -> str:
    """The page that shows a file outside docs/."""
    return PAGES.get(path, f"files/{path}.md")


def _shown(path: str) -> str:
    """A page with a file's text, or with the names in a directory."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(str(each.relative_to(file)) for each in file.rglob("*") if each.suffix in (".py", ".pbtxt"))
        return f"# {path}\n\n" + "\n".join(f"- `{name}`" for name in names) + "\n"
    language = _LANGUAGES.get(file.suffix, "text")
    return f"# {path}\n\n````{language}\n{file.read_text()}\n````\n"
