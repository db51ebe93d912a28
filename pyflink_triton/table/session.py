"""Settings of a Flink session that serve models better than Flink's defaults, where the user has set none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from pyflink.table import TableEnvironment

from pyflink_triton.errors import OptionError
from pyflink_triton.options.options import OPTIONS
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.compat.java_objects import jvm

#: What Python functions need: answers that leave the worker soon, and batches that keep a server busy.
FUNCTION_DEFAULTS: Mapping[str, str] = {
    # An answer leaves the worker at the end of its bundle, so Flink's default of a second would delay every row.
    "python.fn-execution.bundle.time": "100",
    "python.fn-execution.bundle.size": "100000",
    "python.fn-execution.arrow.batch.size": "4096",
    # The most rows in the operator: Flink's default of 10 would make batches of at most 10.
    "table.exec.async-scalar.max-concurrent-operations": "2048",
}
_LOCAL = ("local", "minicluster")
_DURATIONS = frozenset({"request-timeout", *(key for key, option in OPTIONS.items() if option.type == "Duration")})


def prepare_functions(t_env: TableEnvironment) -> None:
    """Set the options that Python functions of models need."""
    set_defaults(t_env, FUNCTION_DEFAULTS)
    # Workers inherit the environment anyway. Flink's own copy of it goes to the log at DEBUG, with its secrets. Only
    # with requirements Flink needs that copy, because it makes PATH from it.
    if not is_set(t_env, "python.requirements"):
        path = os.environ.get("PYTHONPATH")
        if path and _is_local(t_env) and not is_set(t_env, "python.systemenv.enabled"):
            # With `python.files` Flink makes PYTHONPATH from that copy, too, but it can be passed on here.
            set_defaults(t_env, {"python.pythonpath": path})
        set_defaults(t_env, {"python.systemenv.enabled": "false"})


def set_defaults(t_env: TableEnvironment, defaults: Mapping[str, str]) -> None:
    """Set each option that the user has not set."""
    config = t_env.get_config()
    for key, value in defaults.items():
        if not is_set(t_env, key):
            config.set(key, value)


def set_python(t_env: TableEnvironment) -> None:
    """Let planning use the running Python, and tasks too where they run on this machine."""
    defaults = {"python.client.executable": sys.executable}
    if _is_local(t_env):
        defaults["python.executable"] = sys.executable
    set_defaults(t_env, defaults)


def is_set(t_env: TableEnvironment, key: str) -> bool:
    """Whether the session or Flink's own configuration sets a key."""
    return bool(t_env.get_config().get(key, ""))


def _is_local(t_env: TableEnvironment) -> bool:
    options = jvm().org.apache.flink.configuration.DeploymentOptions
    return t_env.get_config().get(options.TARGET.key(), "local") in _LOCAL


def option_text(value: object) -> str:
    """A Python value as an option's text; a dict is a JSON object, and a timedelta a duration."""
    if isinstance(value, timedelta):
        return f"{value // timedelta(milliseconds=1)} ms"
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def options_of(values: Mapping[str, object]) -> dict[str, str]:
    """Python's keyword arguments as options.

    Raises:
        OptionError: A duration is a bare number, which is milliseconds to Flink and seconds to Python.
    """
    return option_texts({key.replace("_", "-"): value for key, value in values.items()})


def option_texts(values: Mapping[str, object]) -> dict[str, str]:
    """Options whose values may be Python's.

    Raises:
        OptionError: A duration is a bare number, which is milliseconds to Flink and seconds to Python.
    """
    for key, value in values.items():
        if isinstance(value, int | float) and key in _DURATIONS:
            raise OptionError(f"option '{key}' is {value}, which has no unit: {Remedy.WRITE_DURATION()}.")
    return {key: option_text(value) for key, value in values.items()}
