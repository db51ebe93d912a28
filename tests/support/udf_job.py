"""A PyFlink program for `flink run -py`: a model's function over 1, 2, ... into a file, behind the gate.

It has no job to wait for: that is submitted, and goes on by itself.
"""

import argparse

from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.expressions import col

import pyflink_triton

parser = argparse.ArgumentParser()
parser.add_argument("--mode", choices=("streaming", "batch"))
parser.add_argument("--function", choices=("scalar_function", "async_scalar_function"))
parser.add_argument("--endpoint")
parser.add_argument("--rows", type=int)
parser.add_argument("--output")
parser.add_argument("--fails-every", type=int, help="use a model that fails for every N-th row; the next is NULL")
arguments = parser.parse_args()

settings = EnvironmentSettings.new_instance()
t_env = TableEnvironment.create(getattr(settings, f"in_{arguments.mode}_mode")().build())
pyflink_triton.connect(t_env, arguments.endpoint)
options = {"endpoint": arguments.endpoint, "model-name": "pairing"}
if arguments.fails_every:
    one_by_one = {"max-batch-size": "1", "max-retries": "1", "retry-initial-backoff": "1 ms", "default-value": "0"}
    options = {"endpoint": arguments.endpoint, "model-name": "fails", **one_by_one}
provider = pyflink_triton.TritonModelProviderFactory().create_model_provider(options)
model = getattr(provider, arguments.function)()
t_env.execute_sql(
    "CREATE TABLE numbers (x BIGINT) WITH ('connector' = 'datagen', 'fields.x.kind' = 'sequence',"
    f" 'fields.x.start' = '1', 'fields.x.end' = '{arguments.rows}', 'number-of-rows' = '{arguments.rows}')"
)
t_env.execute_sql(
    "CREATE TABLE answers (x BIGINT, y BIGINT)"
    f" WITH ('connector' = 'filesystem', 'path' = '{arguments.output}', 'format' = 'csv')"
)
t_env.execute_sql(
    "CREATE MODEL gated INPUT (x BIGINT) OUTPUT (through BIGINT) WITH ('provider' = 'triton', 'model-name' = 'gate')"
)
value = "x"
if arguments.fails_every:
    value = f"CASE MOD(x, {arguments.fails_every}) WHEN 1 THEN -x WHEN 2 THEN CAST(NULL AS BIGINT) ELSE x END"
numbers = t_env.sql_query(f"SELECT x, {value} AS v FROM numbers")
t_env.create_temporary_view("waiting", numbers.select(col("x"), model(col("v")).alias("y")))
t_env.execute_sql(
    "INSERT INTO answers SELECT x, y FROM ML_PREDICT(TABLE waiting, MODEL gated, DESCRIPTOR(x), MAP['async', 'false'])"
)
