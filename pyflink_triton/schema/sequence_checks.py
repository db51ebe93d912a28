"""Checks that the options fit how the server schedules the model, and warns of those that have no effect."""

from __future__ import annotations

from pyflink_triton._units import format_duration
from pyflink_triton.errors import OptionError, SchemaError
from pyflink_triton.model.scheduling import CORRID_MAXIMA, CORRID_TEXTS
from pyflink_triton.model.signature import ModelSignature
from pyflink_triton.options.options import Options
from pyflink_triton.options.parsers import columns_of
from pyflink_triton.remedies import Remedy

#: Triton up to this version refuses every request for a model with a CORRID control of texts.
_NO_TEXT_CORRID = (2, 51)
#: With a shorter idle limit the server drops sequences while the job or its source pauses.
_SHORT_IDLE_SECONDS = 10.0


def check_scheduling(signature: ModelSignature, options: Options | None) -> None:
    """Check that the options fit how the server schedules the model.

    Args:
        signature: The model's signature.
        options: The model's options; None where there are none.

    Raises:
        SchemaError: The model is stateful, and the options do not describe its sequences or the server cannot run them.
    """
    batching = signature.scheduling.sequences
    if not signature.stateful:
        return
    stateful = f"the server's model '{signature.name}' is stateful"
    if options is None or options.sequence_id is None:
        raise SchemaError(f"{stateful}, so each row must name its sequence. {Remedy.SET_SEQUENCE()}")
    if options.sequence_start is False and not options.sequence_id_auto_increment:
        raise SchemaError(
            f"{stateful}, and with 'sequence-start' = 'false' no request begins a sequence, so the server would refuse "
            f"every request. {Remedy.SET_START()}"
        )
    corrid = batching.corrid if batching is not None else None
    if corrid not in (None, *CORRID_TEXTS, *CORRID_MAXIMA):
        raise SchemaError(
            f"{stateful} with a CORRID control of {corrid}, which this version of pyflink-triton does not know"
        )
    if corrid in CORRID_TEXTS and _version(signature.server_version) <= _NO_TEXT_CORRID:
        raise SchemaError(
            f"{stateful} with a CORRID control of TYPE_{corrid}, and Triton {signature.server_version} refuses every "
            f"request for such a model. {Remedy.CHANGE_CORRID()}"
        )


def check_one_row(signature: ModelSignature) -> None:
    """Check that an array may be a batch; raises SchemaError for a stateful model."""
    if signature.stateful:
        raise SchemaError(
            f"the server's model '{signature.name}' is stateful, so a row cannot be an array as a batch. "
            + Remedy.GIVE_ONE_ELEMENT()
        )


def scheduling_warnings(signature: ModelSignature, options: Options) -> list[str]:
    """Warn of options that have no effect, and of settings of the model that can lose state or mix up answers."""
    name, batching, warnings = signature.name, signature.scheduling.sequences, []
    is_partial = signature.scheduling.is_partial
    if options.priority is not None and signature.scheduling.priority_levels < 2:
        what = (
            f"The server hides whether the model '{name}' has" if is_partial else f"The server's model '{name}' has no"
        )
        warnings.append(f"{what} priority_levels: the option 'priority' has no effect.")
    if options.sequence_id is not None and batching is None:
        warnings.append(f"The server's model '{name}' is not stateful: the option 'sequence-id' has no effect.")
    is_whole = options.sequence_id_auto_increment or (options.sequence_start is True and options.sequence_end is True)
    idle = None if batching is None or is_whole else batching.idle_seconds
    if idle is not None and idle < _SHORT_IDLE_SECONDS:
        warnings.append(
            f"The server drops a sequence of the model '{name}' that has no request for {format_duration(idle)}. "
            f"{Remedy.RAISE_IDLE()}."
        )
    is_cached = signature.scheduling.may_cache and not signature.scheduling.is_partial
    free = next((tensor for tensor in signature.inputs if tensor.dims.count(-1) > 1), None)
    if is_cached and free is not None:
        warnings.append(
            f"The response_cache of the server's model '{name}' does not look at shapes: two rows with different "
            f"shapes and the same bytes in the input '{free.name}' get the same answer. {Remedy.SWITCH_CACHE_OFF()}."
        )
    return warnings


def check_parallelism(signature: ModelSignature, options: Options, parallelism: int) -> None:
    """Check that no two subtasks use the same sequence.

    Args:
        signature: The model's signature.
        options: The model's options.
        parallelism: The number of subtasks.

    Raises:
        OptionError: They would use the same one. The message says what to do.
    """
    if parallelism < 2 or not signature.stateful or options.sequence_id is None:
        return
    if not options.sequence_id_auto_increment and not columns_of(options.sequence_id):
        raise OptionError(
            f"option 'sequence-id' is one id for all rows, and {parallelism} subtasks would mix their rows in its "
            "state. " + Remedy.SEPARATE_SUBTASKS()
        )


def _version(text: str) -> tuple[int, ...]:
    """The first two numbers of a version. A version that is not known counts as the newest."""
    parts = text.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdigit() for part in parts) else (1 << 20, 0)
