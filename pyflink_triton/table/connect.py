"""The calls that attach a Triton server to a PyFlink session: to a given one, and to one that is made."""

from __future__ import annotations

from collections.abc import Mapping

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from pyflink_triton.errors import OptionError
from pyflink_triton.jar import jar_path
from pyflink_triton.options.validation import check_defaults
from pyflink_triton.remedies import Remedy
from pyflink_triton.table.argument_types import require_type
from pyflink_triton.table.compat.java_home import find_java
from pyflink_triton.table.sentences import tell_sentences_first
from pyflink_triton.table.session import option_text, options_of, prepare_functions, set_python
from pyflink_triton.table.shim_warnings import show_warnings


def session(
    endpoint: str | None = None,
    *,
    batch: bool = False,
    configuration: Mapping[str, object] | None = None,
    catalog: str = "triton",
    **options: object,
) -> TableEnvironment:
    """Make a PyFlink session with a server attached, on a machine that need not have a Java.

    Flink runs in this machine's Java, or in that of the extra `java` (``pip install 'pyflink-triton[java]'``) where
    there is none that it supports: ``JAVA_HOME`` is set then. Tasks and planning run in this Python, in a notebook in
    the kernel's. ``connect`` says what else is set.

    Args:
        endpoint: URL of the Triton server. Without one the catalog lists no models.
        batch: Whether statements run in batch mode, and not in streaming mode.
        configuration: Options of Flink: ``{"parallelism.default": 1}``.
        catalog: The name of the catalog of the server's models, which becomes the current one.
        options: Defaults for the options of its models, with ``_`` for ``-``: ``timeout="10s"``.

    Returns:
        The session.

    Raises:
        TypeError: An argument is of a wrong type.
        JobError: There is no Java, or it is too old; or PyFlink differs from the versions that are known.
        OptionError: An option is wrong; the message is one sentence.
        FileNotFoundError: There is no jar, because the package was not built.
    """
    written = _checked(endpoint, catalog, options)
    if configuration is not None:
        require_type(configuration, Mapping, "configuration", "session(configuration={'parallelism.default': 1})")
    find_java()
    flink = Configuration()
    for key, value in (configuration or {}).items():
        flink.set_string(key, option_text(value))
    settings = EnvironmentSettings.new_instance().with_configuration(flink)
    t_env = TableEnvironment.create((settings.in_batch_mode() if batch else settings.in_streaming_mode()).build())
    _attach(t_env, written, catalog, use=True)
    return t_env


def connect(
    t_env: TableEnvironment,
    endpoint: str | None = None,
    *,
    catalog: str = "triton",
    use: bool = True,
    **options: object,
) -> None:
    """Attach a server: every model that it has ready is then a model and a function of a catalog.

    The shim jar is added to the session, once. The catalog is created where there is none of its name, and becomes
    the current one. One that is there has to have the options that are given here. Then these are set, each only
    where you have set none:

    - ``python.client.executable`` becomes the running Python, and ``python.executable`` too in a local session;
    - ``python.fn-execution.bundle.time`` becomes 100 ms (a Python function's answers wait for it),
      ``python.fn-execution.bundle.size`` 100000, and ``python.fn-execution.arrow.batch.size`` 4096;
    - ``table.exec.async-scalar.max-concurrent-operations`` becomes 2048 (Flink's 10 would make small batches);
    - ``python.systemenv.enabled`` becomes false, so that Flink's log at DEBUG shows no secret in a variable. Workers
      inherit the variables all the same. Where ``python.requirements`` is set it stays true, because requirements
      need it: call ``set_python_requirements`` before this.

    From then on a Flink error that is about a model begins with the sentence that says what to do. What the jar warns
    of is a Python warning too, once: a server whose models cannot be listed, a model that has the name of a Flink
    function, models that differ by case only, a JVM in which models cannot be functions.

    The settings that ``ML_PREDICT`` needs are made for each model when a statement is planned.

    Args:
        t_env: The session.
        endpoint: URL of the Triton server. Without one the catalog lists no models, and each CREATE MODEL has to
            name it.
        catalog: The catalog's name.
        use: Whether it becomes the current catalog.
        options: Defaults for the options of its models, with ``_`` for ``-``: ``timeout="10s"``.

    Raises:
        TypeError: An argument is of a wrong type.
        OptionError: An option is wrong, or the catalog is there with another; the message is one sentence.
        FileNotFoundError: There is no jar, because the package was not built.
        JobError: PyFlink differs from the versions that are known.
    """
    require_type(t_env, TableEnvironment, "t_env", "connect(t_env, 'http://host:8000')")
    _attach(t_env, _checked(endpoint, catalog, options), catalog, use=use)


def _attach(t_env: TableEnvironment, written: Mapping[str, str], catalog: str, *, use: bool) -> None:
    tell_sentences_first()
    set_python(t_env)
    prepare_functions(t_env)
    jar = jar_path()
    with t_env.execute_sql("SHOW JARS").collect() as jars:
        is_there = any(row[0].endswith(jar) for row in jars)
    if not is_there:
        t_env.execute_sql(f"ADD JAR {_quoted(jar)}")
    pairs = ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in {"type": "triton", **written}.items())
    name = "`" + catalog.replace("`", "``") + "`"
    if catalog in t_env.list_catalogs():
        _check_catalog(t_env, catalog, name, written)
    else:
        t_env.execute_sql(f"CREATE CATALOG {name} WITH ({pairs})")
    show_warnings(t_env, catalog)
    if use:
        t_env.use_catalog(catalog)


def _check_catalog(t_env: TableEnvironment, catalog: str, name: str, written: Mapping[str, str]) -> None:
    """Refuse to attach a server by the name of a catalog with other options: its models are asked elsewhere."""
    with t_env.execute_sql(f"DESCRIBE CATALOG EXTENDED {name}").collect() as rows:
        described = {row[0]: row[1] for row in rows}
    there = {key.removeprefix("option:"): value for key, value in described.items()}
    changed = [key for key, value in {"type": "triton", **written}.items() if there.get(key) != value]
    if changed:
        raise OptionError(
            f"there is a catalog '{catalog}' already, with another {', '.join(changed)}. {Remedy.NAME_CATALOG()}."
        )


def _checked(endpoint: str | None, catalog: str, options: Mapping[str, object]) -> dict[str, str]:
    """The catalog's options, as SQL has them."""
    require_type(catalog, str, "catalog", "connect(t_env, 'http://host:8000', catalog='triton')")
    written = options_of(options)
    if endpoint is not None:
        if not isinstance(endpoint, str):
            raise OptionError(f"option 'endpoint' is {endpoint!r}: {Remedy.WRITE_URL()}.")
        written["endpoint"] = endpoint
    check_defaults(written)
    return written


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
