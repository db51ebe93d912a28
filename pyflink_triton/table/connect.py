"""One call that attaches a Triton server to a PyFlink session."""

from __future__ import annotations

from pyflink.table import TableEnvironment

from pyflink_triton.jar import jar_path
from pyflink_triton.options.validation import check_defaults
from pyflink_triton.table.sentences import tell_sentences_first
from pyflink_triton.table.session import option_text, prepare_functions, set_python
from pyflink_triton.table.warned import show_warnings


def connect(
    t_env: TableEnvironment,
    endpoint: str | None = None,
    *,
    catalog: str = "triton",
    use: bool = True,
    **options: object,
) -> None:
    """Attach a server: every model that it has ready is then a model and a function of a catalog.

    The shim jar is added to the session, once. The catalog is made where it is not there yet, and becomes the
    current one. Then, each only where you have set none:

    - ``python.client.executable`` becomes the running Python, and ``python.executable`` too in a local session;
    - ``python.fn-execution.bundle.time`` becomes 100 ms (a Python function's answers wait for it),
      ``python.fn-execution.bundle.size`` 100000, and ``python.fn-execution.arrow.batch.size`` 4096;
    - ``table.exec.async-scalar.max-concurrent-operations`` becomes 2048 (Flink's 10 would make small batches);
    - ``python.systemenv.enabled`` becomes false, so that Flink's log at DEBUG shows no secret in a variable; workers
      inherit the variables all the same. Not where ``python.requirements`` is set, which needs it: call
      ``set_python_requirements`` before this.

    From then on an error of Flink's that is about a model begins with the sentence that says what to do, and what the
    jar warns of is a Python warning too, once: a server whose models cannot be listed, a model that is named like a
    function of Flink's, models that differ by case only, a JVM in which models cannot be functions.

    What ``ML_PREDICT`` needs of Flink's settings is set when a statement is planned, for each model.

    Args:
        t_env: The session.
        endpoint: URL of the Triton server; without one the catalog lists no models, and each CREATE MODEL says it.
        catalog: The catalog's name.
        use: Whether it becomes the current catalog.
        options: Defaults of the options of its models, with ``_`` for ``-``: ``timeout="10s"``.

    Raises:
        OptionError: An option is wrong; one sentence.
        FileNotFoundError: The package was not built, so there is no jar.
    """
    written = {key.replace("_", "-"): option_text(value) for key, value in options.items()}
    if endpoint is not None:
        written["endpoint"] = endpoint
    check_defaults(written)
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
    t_env.execute_sql(f"CREATE CATALOG IF NOT EXISTS {name} WITH ({pairs})")
    show_warnings(t_env, catalog)
    if use:
        t_env.use_catalog(catalog)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
