"""Builds the shim jar with Maven and puts it into the wheel, with a list of its parts and the models to try it with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JDK = "A JDK 17 is needed to build pyflink-triton: install one (Debian: apt-get install openjdk-17-jdk-headless)."
MAVEN = "Maven is needed to build pyflink-triton: install it (Debian: apt-get install maven)."

#: Those of pyflink_triton/server/examples.py.
EXAMPLE_MODELS = ("embeddings", "sentiment")


class ShimBuildHook(BuildHookInterface):  # type: ignore[type-arg] # hatchling leaves the parameter to the builder
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        build_data["pure_python"] = True
        shim = Path(self.root) / "java-shim"
        target = shim / "target" / f"pyflink-triton-shim-{self.metadata.version}.jar"
        found = shim / "target" / "bom.json"
        if not (_is_fresh(target, shim) and found.is_file()):
            _package(shim)
        lib = Path(self.root) / "pyflink_triton" / "lib"
        shutil.rmtree(lib, ignore_errors=True)
        lib.mkdir()
        shutil.copy2(target, lib)
        if version == "standard":  # an editable installation has the checkout
            for model in EXAMPLE_MODELS:
                build_data["force_include"][f"examples/models/{model}"] = f"pyflink_triton/example_models/{model}"
            build_data.setdefault("sbom_files", []).append(str(_write_sbom(shim, found).relative_to(self.root)))


def _is_fresh(jar: Path, shim: Path) -> bool:
    sources = [shim / "pom.xml", *(path for path in (shim / "src" / "main").rglob("*") if path.is_file())]
    return jar.is_file() and jar.stat().st_mtime > max(path.stat().st_mtime for path in sources)


def _write_sbom(shim: Path, found: Path) -> Path:
    """Add what the jar's parts hold of others themselves, which Maven does not know."""
    sbom = json.loads(found.read_text())
    nested = json.loads((shim / "src" / "main" / "sbom" / "nested.json").read_text())
    for component in sbom["components"]:
        component["components"] = nested.pop(f"{component['group']}:{component['name']}", [])
    if nested:
        sys.exit(f"java-shim/src/main/sbom/nested.json names what the jar does not hold: {', '.join(nested)}")
    written = found.with_name("pyflink-triton-shim.cdx.json")
    written.write_text(json.dumps(sbom, indent=2) + "\n")
    return written


def _package(shim: Path) -> None:
    javac, maven = shutil.which("javac"), shutil.which("mvn")
    if javac is None or _java_version(javac) < 11:
        sys.exit(JDK)
    if maven is None:
        sys.exit(MAVEN)
    command = [maven, "-q", "-B", "-DskipTests", "package"]
    done = subprocess.run(command, cwd=shim, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"The shim jar could not be built: {' '.join(command)} in {shim} printed\n{done.stdout}")


def _java_version(javac: str) -> int:
    printed = subprocess.run([javac, "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"javac (\d+)", printed.stdout)
    return int(found.group(1)) if found else 0
