"""Whether a Flink has a version that the jar fits: the one of this machine, a cluster's, and a SQL gateway's."""

from __future__ import annotations

import base64
import json
import urllib.request
from urllib.parse import unquote, urlsplit

from pyflink_triton.doctor import flink
from pyflink_triton.doctor.findings import Finding, fault, ok, skipped
from pyflink_triton.doctor.interpreter import bounds, needed, outside
from pyflink_triton.doctor.subject import Known, Subject
from pyflink_triton.remedies import Remedy

_FLINK = "apache-flink"
_SECONDS = 10.0


async def check_flink(subject: Subject, known: Known) -> list[Finding]:
    """Whether the Flink, the cluster and the gateway have a version that the jar fits."""
    found = []
    home = flink.home_of(subject)
    version = None if home is None else flink.version_of(home)
    if home is None:
        found.append(skipped("flink", "there is no Flink on this machine"))
    elif version is None:
        sentence = f"{home} has no lib/flink-dist-*.jar: it is not the directory of a Flink"
        found.append(fault("flink", "no-home", sentence, Remedy.CORRECT_FLINK_HOME(), home=str(home)))
    else:
        found.append(_of_flink(f"the Flink in {home}", version))
    for role, url, path in (("cluster", subject.cluster, "/config"), ("gateway", subject.gateway, "/v1/info")):
        if url is not None:
            found.append(_of_rest(f"the {role} at {_shown(url)}", f"{url.rstrip('/')}{path}"))
    return found


def _of_flink(where: str, version: str) -> Finding:
    wanted = needed(_FLINK)
    if outside(version, wanted):
        sentence = f"{where} has version {version}, which the jar does not fit"
        remedy = Remedy.USE_FLINK(versions=bounds(wanted))
        return fault("flink", "version", sentence, remedy, version=version)
    return ok("flink", f"{where} has version {version}, which the jar fits", version=version)


def _of_rest(where: str, url: str) -> Finding:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    headers = {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"} if at else {}
    request = urllib.request.Request(f"{parts.scheme}://{host}{parts.path}", headers=headers)
    # Flink's own clients use no proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            told = json.load(response)
        version = told.get("flink-version") or told["version"]
    except (OSError, ValueError, KeyError, AttributeError) as error:  # a URLError is an OSError
        reason = getattr(error, "reason", error)
        sentence = f"{where} does not tell its version: {reason}"
        return fault("flink", "not-reached", sentence, Remedy.CHECK_FLINK_URL())
    return _of_flink(where, str(version))


def _shown(url: str) -> str:
    """A URL without what may be a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
