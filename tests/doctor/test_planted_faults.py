"""The doctor names each planted fault, says what to do, and finds nothing once that is done."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kserve_process import KServe
from model_repository import write_repository
from planted_faults import FAULTS, OWN_MODELS, PACKAGE, PAGE, TOKEN, Ground, PlantedFault, about, page, program
from triton import ARGUMENTS, Triton

from pyflink_triton.command.app import main
from pyflink_triton.doctor.examination import CHECKS, Check, examine
from pyflink_triton.doctor.findings import Finding, Report, Status, parted
from pyflink_triton.doctor.subject import Subject
from pyflink_triton.remedies import Remedy
from pyflink_triton.server import TritonServer


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Triton, Path]]:
    """A server whose models come and go, and its repository."""
    repository = write_repository(tmp_path_factory.mktemp("own") / "models", OWN_MODELS)
    with TritonServer(repository, arguments=ARGUMENTS) as server:
        yield Triton(server.http_url, server.grpc_url, server.metrics_url, server), repository


@pytest.fixture
def run(
    triton: Triton, own: tuple[Triton, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[PlantedFault], tuple[Report, Report]]:
    """Plants a fault, and gives what the doctor says of it and, once it is mended, of what it was about."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def both(planted: PlantedFault) -> tuple[Report, Report]:
        async with AsyncExitStack() as stack:
            ground = Ground(triton, own[0], own[1], tmp_path, monkeypatch, stack)
            made = await planted.plant(ground)
            found = await examine(Subject(**made.broken), checks=around(planted))
            await asyncio.to_thread(made.mend)
            return found, await examine(Subject(**made.cured), checks=up_to(planted))

    return lambda planted: asyncio.run(asyncio.wait_for(both(planted), 120))


#: The checks of options, the network, the server and the model; those of this machine follow.
SERVERS = next(place for place, check in enumerate(CHECKS) if check.name == "packages")


def around(planted: PlantedFault) -> Sequence[Check]:
    """The checks of a fault's kind: all of the server's, or all of this machine's."""
    names = [check.name for check in CHECKS]
    is_machines = names.index(planted.id.partition(".")[0]) >= SERVERS
    return CHECKS[SERVERS:] if is_machines else CHECKS[:SERVERS]


def up_to(planted: PlantedFault) -> Sequence[Check]:
    """The checks that a fault's own one needs, and that one."""
    checks = around(planted)
    place = [check.name for check in checks].index(planted.id.partition(".")[0])
    return checks[place : place + 1] if checks[0] is CHECKS[SERVERS] else checks[: place + 1]


def wrong(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.status in (Status.FAULT, Status.WARNING)]


def says(remedy: str, template: Remedy) -> bool:
    """Whether a text is a remedy with its blanks filled in."""
    texts = re.split(r"(?<!\{)\{\w+\}(?!\})", template.value)
    pattern = ".+".join(re.escape(text.replace("{{", "{").replace("}}", "}")) for text in texts)
    return re.fullmatch(pattern, remedy, re.IGNORECASE) is not None


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: planted.what)
def test_a_fault_is_named_and_what_to_do_helps(
    run: Callable[[PlantedFault], tuple[Report, Report]], planted: PlantedFault
) -> None:
    found, mended = run(planted)
    assert {finding.id for finding in wrong(found)} == {planted.id, *planted.besides}
    (finding,) = [each for each in wrong(found) if each.id == planted.id]
    assert planted.words in finding.sentence
    assert says(finding.remedy, planted.remedy), finding.remedy
    assert wrong(mended) == []
    told = json.dumps([report.to_json() for report in (found, mended)])
    assert TOKEN not in told


def test_what_needs_a_fault_to_be_absent_is_skipped_with_its_reason(triton: Triton) -> None:
    assert triton.metrics_url is not None
    url = triton.metrics_url.removesuffix("/metrics")
    found = asyncio.run(examine(Subject(**about(url)), checks=CHECKS[:SERVERS]))
    assert [finding.id for finding in wrong(found)] == ["http.metrics"]
    skipped = {each.check: each.sentence for each in found.findings if each.status is Status.SKIPPED}
    assert skipped["model"] == "an endpoint without a fault is needed"
    assert {"access", "ready", "version", "statement", "speed"} <= skipped.keys()


def test_a_model_that_rows_name_is_not_looked_for(triton: Triton) -> None:
    routed = {"model-name": "${m}", "allowed-models": "t-*", "max-batch-size": "8"}
    found = asyncio.run(examine(Subject({"endpoint": triton.http_url, **routed}), checks=CHECKS[:SERVERS]))
    assert wrong(found) == []
    skipped = {each.check: each.sentence for each in found.findings if each.status is Status.SKIPPED}
    assert skipped["model"] == skipped["statement"] == "the model is named by rows, and there is none here"


def test_another_endpoint_is_examined_to_the_end(triton: Triton) -> None:
    fields = about(f"http://{triton.grpc_url},{triton.http_url}")
    found = asyncio.run(examine(Subject(**fields), checks=CHECKS[:10]))
    assert [finding.id for finding in wrong(found)] == ["http.grpc"]
    (model,) = [finding for finding in found.findings if finding.check == "model"]
    assert (model.status, model.facts["endpoint"]) == (Status.OK, triton.http_url)


def test_an_endpoints_query_is_not_shown(triton: Triton) -> None:
    """It may hold a token, and such an endpoint is refused."""
    found = asyncio.run(examine(Subject(**about(f"{triton.http_url}/?token={TOKEN}")), checks=CHECKS[:SERVERS]))
    assert [(each.id, TOKEN in str(each)) for each in wrong(found)] == [("options.wrong", False)]
    assert TOKEN not in json.dumps(found.to_json())


def test_the_option_that_has_the_endpoint_is_named(triton: Triton) -> None:
    fields = about(triton.http_url, endpoint_groups="http://127.0.0.1:1")
    found = asyncio.run(examine(Subject(**fields), checks=CHECKS[:SERVERS]))
    remedy = Remedy.CHECK_SERVER().replace("'endpoint'", "'endpoint-groups'")
    assert [(each.id, each.remedy) for each in wrong(found)] == [("tcp.refused", remedy)]


def test_another_kind_of_server_is_examined_too(kserve: KServe) -> None:
    found = {
        model: asyncio.run(examine(Subject(**fields, measure=True), checks=CHECKS[:SERVERS]))
        for model, fields in ((name, about(kserve.url, name, max_batch_size="8")) for name in ("fraud", "froud"))
    }
    assert wrong(found["fraud"]) == []
    (version,) = [finding for finding in found["fraud"].findings if finding.check == "version"]
    assert " is kserve " in version.sentence
    (missing,) = wrong(found["froud"])
    assert (missing.id, missing.remedy) == ("model.missing", Remedy.NAME_READY_MODEL(models="fraud"))


def doctor(*arguments: str, directory: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyflink_triton", "doctor", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, cwd=directory, check=False
    )


def test_nothing_is_wrong_with_what_is_well(triton: Triton) -> None:
    asked = ("--endpoint", triton.http_url, "--model", "add", "--measure")
    done = doctor(*asked, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["healthy"], told["faults"], told["warnings"]) == (True, 0, 0)
    by_check: dict[str, Mapping[str, Any]] = {each["check"]: each for each in reversed(told["findings"])}
    assert [*dict.fromkeys(each["check"] for each in told["findings"])] == [check.name for check in CHECKS]
    assert by_check["model"]["facts"]["versions"] == ["1"]
    assert "CREATE MODEL m\nINPUT (`a` FLOAT, `b` FLOAT)\nOUTPUT" in by_check["statement"]["facts"]["create_model"]
    speed = by_check["speed"]["facts"]
    parts = ("round_trip_ms", "servers_queue_ms", "compute_ms", "our_own_part_ms")
    assert speed["inferences"] >= 1
    assert all(0 <= speed[part] <= speed["total_ms"] for part in parts[1:])


def test_the_report_is_read_by_people(triton: Triton) -> None:
    done = doctor("--endpoint", triton.http_url, "--model", "ad")
    assert (done.returncode, done.stderr) == (1, "")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    (place,) = [place for place, line in enumerate(lines) if "[model.missing]" in line]
    assert lines[place].startswith("FAULT")
    assert "-> Write 'model-name'" in lines[place + 1]
    assert "add" in lines[place + 1]
    assert lines[place + 2] == "skipped  statement, speed: an endpoint without a fault is needed"
    assert lines[-1] == "1 fault, 0 warnings: model.missing"


@pytest.mark.parametrize(
    "arguments", [("--option", "timeout"), ("--archive", str(PAGE)), ("--endpoint", "x", "--option", "endpoint=y")]
)
def test_wrong_arguments_are_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", *arguments])
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert printed.err.startswith("pyflink-triton: ")


def test_a_package_without_its_jar(tmp_path: Path) -> None:
    """It was not built: no other installation is asked for its jar."""
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("lib", "__pycache__"))
    done = doctor("--json", directory=tmp_path, PYTHONPATH=str(tmp_path))
    told = json.loads(done.stdout)
    (finding,) = [each for each in told["findings"] if each["status"] == "fault"]
    assert done.returncode == 1
    assert (finding["id"], finding["remedy"]) == ("jar.missing", Remedy.INSTALL_PACKAGE())


def test_a_python_in_an_archive_is_unpacked_and_asked(tmp_path: Path) -> None:
    made = tmp_path / "made"
    asking = program(made / "bin" / "python", f'exec {sys.executable} "$@"')
    for kind in ("zip", "gztar"):
        archive = Path(shutil.make_archive(str(tmp_path / "venv"), kind, made))
        subject = Subject({}, python=f"{archive.name}/bin/python", archive=archive)
        found = asyncio.run(examine(subject, checks=CHECKS[-1:]))
        assert [finding.status for finding in found.findings] == [Status.OK], found
    subject = Subject({}, python="bin/python", archive=asking)
    found = asyncio.run(examine(subject, checks=CHECKS[-1:]))
    assert [finding.id for finding in found.findings] == ["python.not-started"]


def test_at_least_twenty_faults_stand_in_the_page() -> None:
    assert len({planted.id for planted in FAULTS}) >= 20
    assert page() == PAGE.read_text()


def test_the_pages_session_is_of_this_doctor() -> None:
    """Each check has its line, in order."""
    session = PAGE.read_text().partition("```text\n")[2].partition("```")[0]
    lines = re.findall(r"^(?:ok|skipped) +([a-z]+)", session, re.MULTILINE)
    assert [*dict.fromkeys(lines)] == [check.name for check in CHECKS]


def test_flink_takes_a_python_where_nothing_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "python3", f'exec {sys.executable} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PYFLINK_CLIENT_EXECUTABLE", raising=False)
    found = asyncio.run(examine(Subject({}, flink_home=tmp_path), checks=CHECKS[-1:]))
    assert [finding.sentence.partition(" is ")[0] for finding in found.findings] == [
        "the Python python3 (python.executable)"
    ]


def test_a_message_is_parted_into_what_was_wrong_and_what_to_do() -> None:
    wrong, remedy = "option 'timeout' = 'x' is not a duration", Remedy.WRITE_DURATION()
    assert parted(f"{wrong}: {remedy}.") == (wrong, f"{remedy}.")
    assert parted("it broke.") == ("it broke", "")


def test_what_the_doctor_alone_says_is_done_here() -> None:
    own = list(Remedy)[list(Remedy).index(Remedy.CORRECT_OPTION) :]
    assert {remedy for remedy in own if remedy not in {planted.remedy for planted in FAULTS}} == set()
