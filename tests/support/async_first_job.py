"""A PyFlink program: another's async function and a model, in an order of steps, each step's result a line of JSON."""

import json
import sys

from flink_session import collect, session, view
from py4j.protocol import Py4JJavaError

import pyflink_triton

endpoint, jar, *steps = sys.argv[1:]
t_env = session(with_jar=False)
t_env.execute_sql(f"ADD JAR '{jar}'")
t_env.execute_sql("CREATE TEMPORARY SYSTEM FUNCTION twice AS 'io.github.pyflinktriton.compat.AsyncFirst$Twice'")
view(t_env, "numbers", {"n": "INT", "beside": "BIGINT", "words": "STRING"}, [(1, None, None), (2, 5, "text")])
numbers = "default_catalog.default_database.numbers"
queries = {
    "twice(n)": f"SELECT twice(n), beside, words FROM {numbers}",
    "m(n)": f"SELECT pairing(n), beside, words FROM {numbers}",
    "ML_PREDICT": "SELECT y, beside, words FROM ML_PREDICT("
    f"TABLE {numbers}, MODEL triton.`default`.pairing, DESCRIPTOR(n))",
}
for step in steps:
    if step == "connect":
        pyflink_triton.connect(t_env, endpoint)
        continue
    try:
        print(json.dumps(sorted(collect(t_env, queries[step]))))
    except Py4JJavaError as error:
        print(json.dumps(str(error).splitlines()[0]))
