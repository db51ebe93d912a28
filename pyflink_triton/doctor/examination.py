"""The checks in their order, and what each needs to be known before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pyflink_triton.doctor import connection, flink_version, machine, server, speed, statement
from pyflink_triton.doctor.findings import Finding, Report, skipped
from pyflink_triton.doctor.subject import Known, Subject

_Check = Callable[[Subject, Known], Awaitable[list[Finding]]]


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: Its name, with which the ids of its findings begin.
        title: What it answers.
        run: Makes it.
        needs: Says why it cannot be made; None where it can.
    """

    name: str
    title: str
    run: _Check
    needs: Callable[[Subject, Known], str | None] = lambda subject, known: None


def _an_endpoint(subject: Subject, known: Known) -> str | None:
    if known.options is None:
        return "the options are wrong"
    if "endpoint" not in subject.options:
        return "no endpoint is given"
    if known.client is None:
        return "the options cannot be used"
    return None if known.bases else "an endpoint without a fault is needed"


def _a_model(subject: Subject, known: Known) -> str | None:
    without = _an_endpoint(subject, known)
    if without is None and known.options is not None and known.options.has_routes:
        return "the model is named by rows, and there is none here"
    return without or (None if subject.model is not None else "no model is given")


def _a_statement(subject: Subject, known: Known) -> str | None:
    return _a_model(subject, known) or (None if known.columns is not None else "the statement is refused")


#: All checks, in the order in which they are made.
CHECKS: Sequence[Check] = (
    Check("options", "Are the options right?", statement.check_options),
    Check("proxy", "Can the proxy be reached?", connection.check_proxy, _an_endpoint),
    Check("dns", "Has the host an address?", connection.check_name, _an_endpoint),
    Check("tcp", "Does the port accept connections?", connection.check_port, _an_endpoint),
    Check("tls", "Do both sides trust each other?", connection.check_tls, _an_endpoint),
    Check("http", "Is it Triton's HTTP port?", connection.check_http, _an_endpoint),
    Check("access", "Is the token accepted?", server.check_access, _an_endpoint),
    Check("ready", "Is the server ready?", server.check_ready, _an_endpoint),
    Check("version", "Which server is it?", server.check_version, _an_endpoint),
    Check("model", "Is the model ready?", server.check_model, _a_model),
    Check("statement", "What would a statement do?", statement.check_statement, _a_model),
    Check("speed", "Where is it slow?", speed.check_speed, _a_statement),
    Check("packages", "Do the Python packages fit?", machine.check_packages),
    Check("java", "Is there a Java for Flink?", machine.check_java),
    Check("jar", "Does the jar fit?", machine.check_jar),
    Check("flink", "Does the Flink fit?", flink_version.check_flink),
    Check("python", "Does the worker's Python have the package?", machine.check_python),
)


async def examine(
    subject: Subject,
    tell: Callable[[Check, Sequence[Finding]], None] = lambda check, findings: None,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Make checks, and close all that they opened.

    Args:
        subject: What is examined.
        tell: Takes a check and its findings as soon as it is made.
        checks: Which checks; each needs those that are before it among ``CHECKS``.

    Returns:
        All findings, in the order of the checks.
    """
    known, findings = Known(), list[Finding]()
    try:
        for check in checks:
            without = check.needs(subject, known)
            found = await check.run(subject, known) if without is None else [skipped(check.name, without)]
            found = [_with_its_option(finding, known) for finding in found]
            findings += found
            tell(check, found)
    finally:
        if known.client is not None:
            await known.client.close()
    return Report(findings)


def _with_its_option(finding: Finding, known: Known) -> Finding:
    """A finding whose remedy names the option that has the endpoint."""
    later = () if known.options is None else known.options.endpoint_groups
    if not any(finding.facts.get("endpoint") in group for group in later):
        return finding
    return replace(finding, remedy=finding.remedy.replace("'endpoint'", "'endpoint-groups'"))
