"""A session of Flink's SQL gateway, over its REST interface."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pyflink_triton.command.console import CommandError
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.texts import CHANGES

_SECONDS = 60
#: Seconds between two questions for a result that is not there yet, the first and the longest.
_SOON, _LATE = 0.05, 1.0
_OLDEST = 2
_TYPES = {"INTEGER": "INT", "VARCHAR": "STRING", "VARBINARY": "BYTES"}
_ENDED = ("FINISHED", "CANCELED", "FAILED")


class Refused(Exception):
    """The gateway answered with an error; the text is all that it said, Java's stack among it."""


class Gateway:
    """A session of a gateway.

    Args:
        url: Where the gateway answers.
        properties: Options of Flink for the session.

    Raises:
        CommandError: There is no gateway, or none that is new enough.
    """

    def __init__(self, url: str, properties: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self._root = f"/v{self._version()}/sessions"
        handle = self._ask("POST", self._root, {"properties": dict(properties)})["sessionHandle"]
        self._session = f"{self._root}/{handle}"

    def _version(self) -> int:
        """The newest version of the interface that the gateway has."""
        try:
            versions = self._ask("GET", "/api_versions").get("versions", ())
        except Refused:
            versions = ()
        numbers = [int(found[1]) for found in (re.fullmatch(r"V(\d+)", str(each)) for each in versions) if found]
        if not numbers or max(numbers) < _OLDEST:
            raise CommandError(f"what answers at {self.url} is no SQL gateway of Flink 2. {Remedy.CHECK_GATEWAY()}.")
        return max(numbers)

    def close(self) -> None:
        """Close the session; jobs that run go on."""
        self._ask("DELETE", self._session)

    def properties(self) -> Mapping[str, str]:
        """The options of Flink that the session has."""
        return dict(self._ask("GET", self._session)["properties"])

    def run(self, statement: str) -> GatewayAnswer:
        """Run a statement.

        Raises:
            Refused: It is refused.
        """
        operation = self._ask("POST", f"{self._session}/statements", {"statement": statement})["operationHandle"]
        path = f"{self._session}/operations/{operation}"
        first = self.result(f"{path}/result/0?rowFormat=JSON")
        columns = first.get("results", {}).get("columns", ()) if first.get("resultKind") != "SUCCESS" else ()
        return GatewayAnswer(
            columns=[column["name"] for column in columns],
            types=[_type_of(column["logicalType"]) for column in columns],
            job=first.get("jobID"),
            is_query=bool(first.get("isQueryResult")),
            gateway=self,
            operation=path,
            first=first,
        )

    def result(self, path: str) -> dict[str, Any]:
        """Wait for a page of a result.

        Raises:
            Refused: The statement failed.
        """
        wait = _SOON
        while (found := self._ask("GET", path))["resultType"] == "NOT_READY":
            time.sleep(wait)
            wait = min(_LATE, 2 * wait)
        return found

    def cancel(self, operation: str) -> None:
        """End an operation."""
        self._ask("POST", f"{operation}/cancel")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=_SECONDS) as answer:
                return dict(json.load(answer, parse_float=Decimal))
        except urllib.error.HTTPError as error:
            raise Refused(_errors(error.read().decode(errors="replace"))) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise CommandError(
                f"the SQL gateway at {self.url} does not answer: {reason}. {Remedy.CHECK_GATEWAY()}."
            ) from None


@dataclass
class GatewayAnswer:
    """What a statement gave; see ``table.embedded.Answer``.

    Attributes:
        columns: The names of the result's columns; none of an OK, as a CREATE has.
        types: Their types, as SQL writes them.
        job: The id of the job that it started, or None.
        is_query: Whether rows come while the job runs.
        gateway: The session.
        operation: Its path there.
        first: The first page of its result.
    """

    columns: Sequence[str]
    types: Sequence[str]
    job: str | None
    is_query: bool
    gateway: Gateway
    operation: str
    first: dict[str, Any]
    _status: str = field(default="")

    def rows(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """The rows, each with the kind of its change."""
        page = self.first
        while True:
            for row in page.get("results", {}).get("data", ()):
                yield CHANGES.get(row["kind"], "+I"), [_written(value) for value in row["fields"]]
            following = page.get("nextResultUri")
            if not following or page["resultType"] == "EOS":
                return
            page = self.gateway.result(following)
            if page["resultType"] == "PAYLOAD" and not page.get("results", {}).get("data"):
                time.sleep(_SOON)

    def is_done(self) -> bool:
        """Whether the job has ended, well or not."""
        if self.job is None or self._status in _ENDED:
            return True
        described = self.gateway.run(f"DESCRIBE JOB '{self.job}'")
        row = dict(zip(described.columns, next(described.rows())[1], strict=True))
        self._status = str(row["status"])
        return self._status in _ENDED

    def wait(self) -> None:
        """Wait for the job's end.

        Raises:
            CommandError: It did not end well.
        """
        while not self.is_done():
            time.sleep(_LATE)
        if self.job is not None and self._status != "FINISHED":
            raise CommandError(f"job {self.job} is {self._status}: Flink's web UI and its logs say why.")

    def cancel(self) -> None:
        """End the job, if there is one that runs."""
        if self.is_query:
            self.gateway.cancel(self.operation)
        elif self.job is not None and self._status not in _ENDED:
            self.gateway.run(f"STOP JOB '{self.job}'")


def _written(value: Any) -> Any:
    """A value as text, where it is none that JSON and a table write alike."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=float)
    return str(value) if isinstance(value, Decimal) else value


def _type_of(logical: Mapping[str, Any]) -> str:
    kind = str(logical.get("type", ""))
    return _TYPES.get(kind, kind)


def _errors(answer: str) -> str:
    try:
        return "\n".join(json.loads(answer)["errors"])
    except (ValueError, KeyError, TypeError):
        return answer
