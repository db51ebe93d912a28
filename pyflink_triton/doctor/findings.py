"""What checks return: a sentence and, where something is wrong, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pyflink_triton.remedies import Remedy


class Status(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: The check's name.
        status: How it ended.
        sentence: What was found, with no secret.
        id: The name of a fault or a warning, such as ``tls.expired``; else the check's name.
        remedy: What to do; empty where nothing is wrong.
        facts: What was found, for programs.
    """

    check: str
    status: Status
    sentence: str
    id: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The finding as an object of JSON."""
        told = {"check": self.check, "id": self.id, "status": self.status.value, "sentence": self.sentence}
        more = {"remedy": self.remedy, "facts": dict(self.facts)}
        return {**told, **{key: value for key, value in more.items() if value}}


@dataclass(frozen=True)
class Report:
    """All findings, in the order of the checks.

    Attributes:
        findings: The findings.
    """

    findings: Sequence[Finding]

    @property
    def faults(self) -> list[Finding]:
        """What is wrong."""
        return [finding for finding in self.findings if finding.status is Status.FAULT]

    @property
    def warnings(self) -> list[Finding]:
        """What may be wrong."""
        return [finding for finding in self.findings if finding.status is Status.WARNING]

    def to_json(self) -> dict[str, Any]:
        """The report as an object of JSON."""
        healthy = not self.faults
        counts = {"faults": len(self.faults), "warnings": len(self.warnings)}
        return {"healthy": healthy, **counts, "findings": [finding.to_json() for finding in self.findings]}


def ok(check: str, sentence: str, **facts: Any) -> Finding:
    """What is as it should be."""
    return Finding(check, Status.OK, sentence, check, facts=facts)


def fault(check: str, name: str, sentence: str, remedy: str = "", **facts: Any) -> Finding:
    """What is wrong.

    Args:
        check: The check's name.
        name: The fault's name within the check.
        sentence: What is wrong. Where it says what to do, too, that is taken from its end.
        remedy: What to do; empty where the sentence says it.
        facts: What was found, for programs.
    """
    return _found(Status.FAULT, check, name, sentence, remedy, facts)


def warning(check: str, name: str, sentence: str, remedy: str = "", **facts: Any) -> Finding:
    """What may be wrong; see ``fault``."""
    return _found(Status.WARNING, check, name, sentence, remedy, facts)


def skipped(check: str, reason: str) -> Finding:
    """A check that could not be made, or that nobody asked for."""
    return Finding(check, Status.SKIPPED, reason, check)


def _found(status: Status, check: str, name: str, said: str, remedy: str, facts: Mapping[str, Any]) -> Finding:
    sentence, own = parted(said)
    chosen = remedy or own
    return Finding(check, status, sentence, f"{check}.{name}", chosen[:1].upper() + chosen[1:].rstrip("."), facts)


def parted(message: str) -> tuple[str, str]:
    """Part a message of this package into what was wrong and what to do; the latter is empty where it says nothing.

    Args:
        message: The message.
    """
    found = _PARTS.fullmatch(message)
    return (message.rstrip("."), "") if found is None else (found["wrong"], found["remedy"])


_BLANK = re.compile(r"(?<!\{)\{\w+\}(?!\})")


def _pattern(remedy: Remedy) -> str:
    texts = (text.replace("{{", "{").replace("}}", "}") for text in _BLANK.split(remedy.value))
    return ".+?".join(map(re.escape, texts))


_PARTS = re.compile(rf"(?P<wrong>.+?)[.:;,] (?P<remedy>(?:{'|'.join(map(_pattern, Remedy))}).*)", re.DOTALL)
