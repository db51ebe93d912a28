"""The objects of docker/kubernetes, and what the definition of a custom resource finds wrong in them.

`python tests/support/manifests.py CRD...` checks them against the files of the operators: the Flink Kubernetes
Operator's `flinkdeployments.flink.apache.org-v1.yml`, and `monitoring.coreos.com_podmonitors.yaml`. No registry of
packages has those, so the tests do not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from places import ROOT
from ruamel.yaml import YAML

MANIFESTS = ROOT / "docker" / "kubernetes"
Object = dict[str, Any]


def objects() -> Iterator[tuple[str, Object]]:
    """Each object and the name of its file, kustomize's own left out."""
    for file in sorted(MANIFESTS.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            for each in YAML(typ="safe").load_all(file):
                yield file.name, each


def of_kind(kind: str) -> list[Object]:
    """All objects of a kind."""
    return [each for _, each in objects() if each["kind"] == kind]


def is_custom(each: Object) -> bool:
    """Whether an operator defines its kind, and not Kubernetes."""
    group = each["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def faults(each: Object, crd: Object) -> list[str]:
    """What a definition finds wrong in an object, fields that it does not know among them."""
    (version,) = (v for v in crd["spec"]["versions"] if v["name"] == each["apiVersion"].rpartition("/")[2])
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(each)]


def _closed(schema: Any) -> Any:
    """The same schema, which takes no field that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def _check(files: list[str]) -> str:
    """Print what is wrong with each object that these files define, and return why all is not well."""
    found = []
    for file in files:
        crd = YAML(typ="safe").load(Path(file))
        for name, each in objects():
            if each["kind"] == crd["spec"]["names"]["kind"]:
                found.append(faults(each, crd))
                print(f"{name}: {each['kind']} {each['metadata']['name']}: {found[-1] or 'nothing is wrong'}")
    if not found:
        return "no object is of a kind that these files define"
    return "something is wrong" if any(found) else ""


if __name__ == "__main__":
    sys.exit(_check(sys.argv[1:]) or None)
