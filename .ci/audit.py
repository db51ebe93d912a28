"""Looks for known vulnerabilities in what the jar holds and in what the installed package needs.

It asks OSV (https://osv.dev), which has those of Maven's and PyPI's packages. Without a network it says that nothing
was checked. Accepted ones, each with its reason, are the lines of .ci/accepted-vulnerabilities.txt.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SHIM = ROOT / "java-shim"
ACCEPTED = ROOT / ".ci" / "accepted-vulnerabilities.txt"
OSV = "https://api.osv.dev/v1/querybatch"
SECONDS = 30


class Package(NamedTuple):
    """A package of a version.

    Attributes:
        ecosystem: Its registry, as OSV calls it.
        name: Its name there.
        version: Its version.
    """

    ecosystem: str
    name: str
    version: str


def main() -> int:
    """Print what was found; the exit code is 1 where something was, or where nothing could be checked and had to be."""
    parser = argparse.ArgumentParser(description="Look for known vulnerabilities.")
    parser.add_argument("--required", action="store_true", help="fail where OSV cannot be asked")
    parser.add_argument("--url", default=OSV, help="where to ask (default: %(default)s)")
    options = parser.parse_args()
    packages = sorted({*in_the_jar(), *needed_by("pyflink-triton[java]")})
    try:
        found = ask(options.url, packages)
    except (OSError, ValueError) as error:
        print(f"Known vulnerabilities were not checked: {options.url} did not answer ({error}).", file=sys.stderr)
        return 1 if options.required else 0
    accepted = {line.split()[0] for line in ACCEPTED.read_text().splitlines() if line and not line.startswith("#")}
    left = [(package, names - accepted) for package, names in found.items() if names - accepted]
    for package, names in left:
        print(f"{package.ecosystem} {package.name} {package.version}: {', '.join(sorted(names))}")
    print(f"{len(packages)} packages checked, {len(left)} with vulnerabilities that are not accepted.")
    return 1 if left else 0


def in_the_jar() -> Iterator[Package]:
    """What Maven shaded, and what that holds itself."""
    components = json.loads((SHIM / "target" / "bom.json").read_text())["components"]
    for nested in json.loads((SHIM / "src" / "main" / "sbom" / "nested.json").read_text()).values():
        components += [component for component in nested if "purl" in component]
    for component in components:
        yield Package("Maven", f"{component['group']}:{component['name']}", component["version"])


def needed_by(distribution: str) -> Iterator[Package]:
    """What a package needs, and all that needs, in the versions that are installed here."""
    first = Requirement(distribution)
    waiting, seen = [first], set()
    while waiting:
        requirement = waiting.pop()
        key = (re.sub(r"[-_.]+", "-", requirement.name).lower(), *sorted(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found = metadata.distribution(requirement.name)
        if requirement is not first:
            yield Package("PyPI", key[0], found.version)
        extras = ("", *requirement.extras)
        needed = map(Requirement, found.requires or ())
        waiting += [each for each in needed if not each.marker or any(map(each.marker.evaluate, _environments(extras)))]


def _environments(extras: Iterable[str]) -> list[dict[str, str]]:
    """What markers see, for each extra."""
    return [{"extra": extra} for extra in extras]


def ask(url: str, packages: list[Package]) -> dict[Package, set[str]]:
    """Ask OSV for the names of each package's vulnerabilities."""
    queries = [
        {"package": {"ecosystem": package.ecosystem, "name": package.name}, "version": package.version}
        for package in packages
    ]
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        results = json.load(response)["results"]
    if len(results) != len(packages):
        raise ValueError(f"{len(results)} results for {len(packages)} packages")
    return {
        package: {vulnerability["id"] for vulnerability in result.get("vulns", ())}
        for package, result in zip(packages, results, strict=True)
    }


if __name__ == "__main__":
    sys.exit(main())
