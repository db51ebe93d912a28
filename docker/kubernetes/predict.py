"""A job without an end: texts from a generator, their embeddings by a model, and nothing kept.

`job.yaml` runs it in a cluster of its own, with Triton's address behind it. In its place put a program of yours.
"""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton

t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
t_env.get_config().set("pipeline.name", "predict")
pyflink_triton.connect(t_env, sys.argv[1])
t_env.execute_sql(
    "CREATE TEMPORARY TABLE texts (id INT, text STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '50')"
)
t_env.execute_sql("CREATE TEMPORARY TABLE nowhere (id INT, embedding ARRAY<FLOAT>) WITH ('connector' = 'blackhole')")
t_env.execute_sql("INSERT INTO nowhere SELECT id, embeddings(text) FROM texts")
