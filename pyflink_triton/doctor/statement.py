"""What a statement with these options would do: its columns, its requests, and what planning it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyflink_triton._units import format_duration, format_size
from pyflink_triton.delivery.model_client import ModelClient
from pyflink_triton.doctor.findings import Finding, fault, ok, parted, warning
from pyflink_triton.doctor.subject import Known, Subject
from pyflink_triton.errors import TritonError
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import OPTIONS, Options
from pyflink_triton.options.validation import FLINK_KEYS, check_defaults, parse_options
from pyflink_triton.remedies import Remedy
from pyflink_triton.runtime.messages import ColumnType
from pyflink_triton.runtime.planning import DeclaredModel, check, describe

#: What planning does with a server that cannot be asked.
_PLANNING = {
    "required": "planning a statement asks the server, for at most {seconds}, and fails without it",
    "best-effort": "planning a statement asks the server, for at most {seconds}, and goes on without it",
    "off": "planning a statement does not ask the server",
}


async def check_options(subject: Subject, known: Known) -> list[Finding]:
    """Whether the options are those that a statement may have, and every file and secret is there."""
    written = {key: value for key, value in subject.options.items() if key not in FLINK_KEYS}
    try:
        options = check_defaults(written) if subject.model is None else parse_options(written)
    except TritonError as error:
        return [fault("options", "wrong", str(error), _remedy_of_options(str(error)))]
    known.options = options
    if "endpoint" not in written:
        return [ok("options", "the options are right, without an endpoint")]
    try:
        known.client = ModelClient(replace(options, timeout=known.seconds))
    except TritonError as error:
        return [fault("options", "not-usable", str(error), _remedy_of_options(str(error)))]
    known.bases = list(options.every_endpoint)
    return [ok("options", f"the options are right: {', '.join(sorted(written))}", options=_shown(written))]


def _remedy_of_options(message: str) -> str:
    """What to do; a message that does not say it is about a file, a secret, or an option that is missing."""
    _, remedy = parted(message)
    return remedy or Remedy.CORRECT_OPTION()


def _shown(written: dict[str, str]) -> dict[str, str]:
    """The options as they may be shown."""
    secrets = tuple(key for key, option in OPTIONS.items() if option.secret)
    return {key: "***" if key.startswith(secrets) else value for key, value in written.items()}


async def check_statement(subject: Subject, known: Known) -> list[Finding]:
    """What CREATE MODEL and a call would make of the options, as planning says it."""
    written = {key: value for key, value in subject.options.items() if key not in FLINK_KEYS}
    model = str(subject.model)
    if known.signature is None:
        said = f"the server hides what '{model}' takes and gives, so that INPUT and OUTPUT must be declared"
        return [ok("statement", said), _requests(known.needed_options, None), _planning(known.needed_options)]
    try:
        columns = await describe({"model": model, "options": written})
        declared = DeclaredModel.parse(
            {"model": model, "options": written, "input": columns["input"], "output": columns["output"]}
        )
        checked = await check(declared)
    except TritonError as error:
        said = str(error)
        return [fault("statement", "refused", said, "" if parted(said)[1] else Remedy.CORRECT_OPTION())]
    known.columns = columns
    found = [_columns(written, columns["input"], columns["output"])]
    found.append(_requests(known.needed_options, known.signature))
    found.append(_planning(known.needed_options))
    return [*found, *map(_warned, checked["warnings"])]


def _warned(said: str) -> Finding:
    return warning("statement", "warns", said, "" if parted(said)[1] else Remedy.CORRECT_OPTION())


def _columns(written: dict[str, str], inputs: Sequence[ColumnType], outputs: Sequence[ColumnType]) -> Finding:
    sides = [", ".join(f"`{column['name']}` {column['type']}" for column in side) for side in (inputs, outputs)]
    sentence = f"the model takes ({sides[0]}) and gives ({sides[1]})"
    return ok("statement", sentence, input=inputs, output=outputs, create_model=_create_model(written, sides))


def _create_model(written: dict[str, str], sides: Sequence[str]) -> str:
    pairs = {"provider": "triton", **_shown(written)}
    options = ",\n  ".join(f"'{key}' = '{value.replace(chr(39), chr(39) * 2)}'" for key, value in pairs.items())
    return f"CREATE MODEL m\nINPUT ({sides[0]})\nOUTPUT ({sides[1]})\nWITH (\n  {options}\n)"


def _requests(options: Options, signature: ModelSignature | None) -> Finding:
    if signature is not None and signature.decoupled:
        options = options.for_streams()
    batch = signature.max_batch_size if signature is not None else options.max_batch_size or 0
    rows = f"up to {batch} rows, or {format_size(options.max_request_bytes)}" if batch > 1 else "one row"
    why = "" if batch > 1 else ", because the model has no batch axis" if not batch else ", as the model takes them"
    if signature is not None and (signature.stateful or signature.decoupled):
        rows, why = "one row", ", because the model is stateful" if signature.stateful else ", because it is decoupled"
    times = f"{format_duration(options.timeout)} for a call, {format_duration(options.row_timeout)} for a row"
    sentence = f"a request holds {rows}{why}; {options.max_in_flight_requests} are in flight at most; {times}"
    return ok("statement", sentence, batch=batch, in_flight=options.max_in_flight_requests)


def _planning(options: Options) -> Finding:
    seconds = format_duration(options.plan_check_timeout)
    return ok("statement", _PLANNING[options.plan_check].format(seconds=seconds), plan_check=options.plan_check)
