"""A Flink session that asks servers whose certificates are known by the environment alone; prints what came of it.

`python tests/support/environment_job.py PYTHON MODEL URL...`; see tests/bridge/test_environment.py, which gives it the
environment. PYTHON is what Flink's planner and its tasks start.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from flink_session import collect, session, view
from pyflink.table.expressions import col

import pyflink_triton


def told(ask: Callable[[], object]) -> object:
    """What came of it, or the sentence that says why nothing did."""
    try:
        return ask()
    except Exception as error:
        return str(error).split("\nAn error occurred")[0]


def main() -> None:
    python, model, *urls = sys.argv[1:]
    env = session(python__executable=python, python__client__executable=python)
    pyflink_triton.connect(env)
    view(env, "t", {"x": "BIGINT"}, [(7,)])
    found: list[list[object]] = []
    for number, url in enumerate(urls):

        def predict(name: str = f"m{number}", url: str = url) -> object:
            env.execute_sql(
                f"CREATE MODEL {name} INPUT (x BIGINT) OUTPUT (y BIGINT) "
                f"WITH ('provider' = 'triton', 'endpoint' = '{url}', 'model-name' = '{model}')"
            )
            return collect(env, f"SELECT y FROM ML_PREDICT(TABLE t, MODEL {name}, DESCRIPTOR(x))")

        def apply(url: str = url) -> object:
            factory = pyflink_triton.TritonModelProviderFactory()
            function = factory.create_model_provider({"endpoint": url, "model-name": model}).scalar_function()
            with env.from_path("t").select(function(col("x"))).execute().collect() as rows:
                return [tuple(row) for row in rows]

        found.append([told(predict), told(apply)])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
