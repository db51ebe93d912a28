r"""A chat, a summary and a structured extraction in SQL, by a small language model on Triton.

    python examples/language_model.py

The model has the inputs and outputs of Triton's vLLM backend, so that the statements are those for a large one. What it
writes looks like English and means little: it is a network of 460,000 weights that knows titles of forum posts.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
PACKAGE = "textgenrnn==2.0.0"
FILES = ("textgenrnn_weights.hdf5", "textgenrnn_vocab.json")
REQUIREMENTS = ["h5py>=3.10,<4"]
STATEMENTS = """
CREATE MODEL chat
INPUT (text_input STRING, `stream` BOOLEAN, exclude_input_in_output BOOLEAN)
OUTPUT (text_output STRING, num_output_tokens BIGINT)
WITH (
  'provider' = 'triton',
  'endpoint' = '{endpoint}',
  'model-name' = 'language_model',
  'responses' = 'join',
  'parameters.max_tokens' = '40',
  'parameters.temperature' = '0',
  'tokens-column' = 'num_output_tokens'
);

SELECT prompt, chat(prompt, TRUE, TRUE).text_output AS answer
FROM (VALUES ('I just'), ('The best way to'), ('What is')) AS t(prompt)
"""


def repository(directory: Path) -> Path:
    """Make a model repository with the model and the package's weights.

    Args:
        directory: Where to.
    """
    target = directory / "models" / "language_model"
    shutil.copytree(HERE / "models" / "language_model", target)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "textgenrnn"]
    subprocess.run([*download, "--dest", str(directory), PACKAGE], check=True)
    (archive,) = directory.glob("textgenrnn-*.tar.gz")
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            name = Path(member.name).name
            if name in FILES:
                member.name = name
                packed.extract(member, target / "1")
    return directory / "models"


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Write texts with Flink SQL and a language model on Triton.")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    options = parser.parse_args()
    if options.endpoint:
        return report(run_job(options.endpoint))
    with tempfile.TemporaryDirectory() as directory:
        with TritonServer(repository(Path(directory)), requirements=REQUIREMENTS) as triton:
            return report(run_job(triton.http_url))


def run_job(endpoint: str) -> list[tuple[str, str]]:
    """Run the statements; return the rows of the last one."""
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    pyflink_triton.connect(t_env)
    statements = STATEMENTS.format(endpoint=endpoint)
    print(statements, flush=True)
    for statement in statements.split(";\n"):
        result = t_env.execute_sql(statement)
    with result.collect() as rows:
        return [tuple(row) for row in rows]


def report(rows: list[tuple[str, str]]) -> int:
    """Print the texts."""
    for prompt, answer in rows:
        print(f"{prompt} ...{answer}")
    return 0 if all(answer for _, answer in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
