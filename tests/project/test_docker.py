"""What docker/ has, by tools that need no container engine and no Kubernetes; and that its files agree."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dashboard
import kubernetes_validate
import manifests
import pyflink
import pytest
from packaging.requirements import Requirement
from places import ROOT, SUPPORT
from prometheus import PREFIX, NoPrometheus, debian_program
from pyflink.version import __version__ as flink_version
from ruamel.yaml import YAML
from snippets import Snippet, snippets

from pyflink_triton.metric_table import METRICS
from pyflink_triton.version import __version__

DOCKER = ROOT / "docker"
COMPOSE = sorted(DOCKER.glob("compose*.yaml"))
IMAGE = f"pyflink-triton-flink:{__version__}"
BIN = Path(sys.executable).parent
#: What a reader of a file must know: what was never run by what it is for.
NEVER_RUN = [DOCKER / "Dockerfile", *COMPOSE, *DOCKER.glob("kubernetes/*.yaml"), *DOCKER.glob("grafana/**/*.yaml")]
#: Shown by others: rows that are done are those that succeeded and those that failed.
NOT_SHOWN = {"success", "output_rows"}
SHELL = [block for page in ("docker/README.md", "docs/kubernetes.md") for block in snippets(page, "sh")]


def loaded(file: Path) -> Any:
    return YAML(typ="safe").load(file)


def printed(*command: str | Path) -> str:
    """What a command prints that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{command} printed\n{done.stdout}"
    return done.stdout


def promtool(*arguments: str | Path) -> str:
    try:
        return printed(debian_program("promtool"), *arguments)
    except NoPrometheus as error:
        pytest.skip(str(error))


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert printed(BIN / "hadolint", DOCKER / "Dockerfile") == ""


def test_the_dockerfile_ends_as_another_user_than_root() -> None:
    users = re.findall(r"^USER (.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1] == "9999:9999"


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = {each for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for each in line.split()}
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    assert [each for each in copied if "*" not in each and not (ROOT / each).exists()] == []


def test_the_compose_files_are_as_the_specification_says() -> None:
    printed(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE)


def test_the_compose_files_agree() -> None:
    """What `docker compose config` would look for: each name of a service, a volume or a file is there."""
    files = [loaded(file) for file in COMPOSE]
    services = {name: service for file in files for name, service in file["services"].items()}
    assert len(services) == sum(len(file["services"]) for file in files), "no file changes another's service"
    volumes = {name for file in files for name in file.get("volumes", ())}
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        for source, target in (volume.split(":")[:2] for volume in service.get("volumes", ()) if "$" not in volume):
            assert (DOCKER / source).exists() if source.startswith(".") else source in volumes, name
            assert target.startswith("/"), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
        command = service.get("healthcheck", {}).get("test", ())
        assert "python3" not in command or compile(command[-1], name, "exec")
        assert re.search(r":(\$\{\w+:-)?v?\d", service["image"]), f"{name}: a version, so that it does not change"
    scraped = {name for job in scrape_configs() for name in job["dns_sd_configs"][0]["names"]}
    assert scraped == {"triton", "jobmanager", "taskmanager"} <= services.keys()


def scrape_configs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loaded(DOCKER / "prometheus" / "prometheus.yml")["scrape_configs"]
    return found


def test_versions_are_those_of_the_project() -> None:
    texts = [file.read_text() for file in DOCKER.rglob("*") if file.is_file()]
    assert {tag for text in texts for tag in re.findall(r"pyflink-triton-flink:[\w.]+", text)} == {IMAGE}
    assert f"ARG FLINK=flink:{flink_version}-java17\n" in (DOCKER / "Dockerfile").read_text()
    jars = [each["spec"]["job"]["jarURI"] for each in manifests.of_kind("FlinkDeployment") if "job" in each["spec"]]
    assert jars == [f"local:///opt/flink/opt/flink-python-{flink_version}.jar"]


def test_the_constraints_hold_what_the_package_needs() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    needed = re.findall(r'^  "(.+)",$', text[text.index("\ndependencies = [") : text.index("\n]\n\n")], re.MULTILINE)
    assert len(needed) > 8
    lines = [line for line in (DOCKER / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    held = dict(line.split("==") for line in lines)
    for requirement in map(Requirement, needed):
        assert requirement.specifier.contains(held[requirement.name]), requirement
    assert held["apache-flink"] == flink_version


@pytest.mark.parametrize("each", [each for _, each in manifests.objects()], ids=lambda each: str(each["kind"]))
def test_an_object_of_kubernetes_is_as_its_schema_says(each: dict[str, Any]) -> None:
    if manifests.is_custom(each):
        assert each["kind"] in ("FlinkDeployment", "PodMonitor"), "checked by hand: tests/support/manifests.py"
    else:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_the_manifests_agree() -> None:
    kustomization = loaded(manifests.MANIFESTS / "kustomization.yaml")
    (program,) = (each["name"] for each in kustomization["configMapGenerator"])
    assert all((manifests.MANIFESTS / name).exists() for name in kustomization["resources"])
    configuration = loaded(DOCKER / "config.yaml")
    for each in manifests.of_kind("FlinkDeployment"):
        flink = each["spec"]["flinkConfiguration"]
        assert {key: as_text(flink[key]) for key in configuration} == {k: as_text(v) for k, v in configuration.items()}
    (job,) = (each for each in manifests.of_kind("FlinkDeployment") if "job" in each["spec"])
    (volume,) = job["spec"]["podTemplate"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == program
    services = {each["metadata"]["name"]: each["spec"]["selector"] for each in manifests.of_kind("Service")}
    for each in manifests.of_kind("Deployment"):
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert services[each["metadata"]["name"]].items() <= labels.items()
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert job["spec"]["job"]["args"][-1].removeprefix("http://").split(":")[0] in services
    assert {end["port"] for each in manifests.of_kind("PodMonitor") for end in each["spec"]["podMetricsEndpoints"]} == {
        "metrics"
    }


def as_text(value: object) -> str:
    return str(value).lower()


@pytest.mark.parametrize("where", ["compose.flink.yaml", "flink", "predict"])
def test_flink_can_divide_the_memory(where: str) -> None:
    """By Flink's own arithmetic, as its start scripts ask it: the parts fit into the whole."""
    if where.endswith(".yaml"):
        text = loaded(DOCKER / where)["x-flink"]["environment"]["FLINK_PROPERTIES"]
        flink = {key: value for key, value in YAML(typ="base").load(text).items() if key.startswith("taskmanager.")}
    else:
        (spec,) = (each["spec"] for each in manifests.of_kind("FlinkDeployment") if each["metadata"]["name"] == where)
        flink = {key: value for key, value in spec["flinkConfiguration"].items() if key.startswith("taskmanager.")}
        flink["taskmanager.memory.process.size"] = spec["taskManager"]["resource"]["memory"]
    home = Path(pyflink.__file__).parent
    arithmetic = ("org.apache.flink.runtime.util.bash.BashJavaUtils", "GET_TM_RESOURCE_PARAMS")
    classes = f"{home}/bin/bash-java-utils.jar:{home}/lib/*"
    options = [f"-D{key}={value}" for key, value in flink.items()]
    divided = printed("java", "-cp", classes, *arithmetic, "--configDir", home / "conf", *options)
    heap = re.search(r"taskmanager\.memory\.task\.heap\.size=(\d+)b", divided)
    assert heap
    assert int(heap[1]) > 256 << 20


def test_triton_is_headless_and_has_probes() -> None:
    (service,) = (each for each in manifests.of_kind("Service") if each["metadata"]["name"] == "triton")
    assert service["spec"]["clusterIP"] == "None"
    (triton,) = (each for each in manifests.of_kind("Deployment") if each["metadata"]["name"] == "triton")
    (container,) = triton["spec"]["template"]["spec"]["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_prometheus_takes_its_configuration_and_the_alerts() -> None:
    assert "SUCCESS: 6 rules found" in promtool("check", "config", DOCKER / "prometheus" / "prometheus.yml")


def test_each_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    queries = [query.filled for panel in dashboard.panels() for query in panel.queries]
    rules = [{"record": f"query:{number}", "expr": each} for number, each in enumerate(queries)]
    file = tmp_path / "queries.yml"
    YAML(typ="safe").dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
    assert f"SUCCESS: {len(queries)} rules found" in promtool("check", "rules", file)


def test_the_dashboard_is_that_of_the_declaration() -> None:
    assert dashboard.FILE.read_text() == dashboard.as_json(), "run `make pages`"


def test_no_panel_lies_on_another() -> None:
    shown = dashboard.dashboard()["panels"]
    cells = [cell for panel in shown for cell in cells_of(**panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in shown}) == len(shown)


def cells_of(x: int, y: int, w: int, h: int) -> Iterator[tuple[int, int]]:
    return ((column, line) for column in range(x, x + w) for line in range(y, y + h))


def test_the_dashboard_shows_each_metric() -> None:
    text = "\n".join(query.promql for panel in dashboard.panels() for query in panel.queries)
    names = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert {name for name in METRICS if name not in names} == NOT_SHOWN
    assert {name for name in names if re.sub(r"_p\d+$", "", name) not in METRICS} == set()


def test_pictures_without_a_browser_say_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(SUPPORT / "pictures.py")]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "make pictures needs Chromium (Debian: apt-get install chromium)."


@pytest.mark.parametrize("file", NEVER_RUN, ids=lambda file: file.name)
def test_a_file_that_never_ran_says_so(file: Path) -> None:
    assert re.search(r"Never[\s#]+(built|run|applied|read)\b", file.read_text())


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shellcheck_finds_nothing_in_the_commands(block: Snippet, tmp_path: Path) -> None:
    file = tmp_path / "block.sh"
    file.write_text(block.text)
    assert printed(BIN / "shellcheck", "--shell=bash", file) == ""
