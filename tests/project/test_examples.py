"""The examples, run as a user runs them."""

from __future__ import annotations

import re
import subprocess
import sys

from cluster import clean_environment
from places import ROOT
from short_jobs import quick_jvms

EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    environment = clean_environment() | quick_jvms()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits_are_read_right() -> None:
    printed = run("digits.py", "--times", "5")
    accuracy = re.search(r"Accuracy (\d\.\d+)", printed)
    assert accuracy is not None
    assert float(accuracy[1]) >= 0.93
    assert "CREATE TEMPORARY MODEL digits" in printed
    assert re.search(r"4,495 images in .* a second", printed)


def test_images_are_read_right_as_bytes() -> None:
    printed = run("images_as_bytes.py", "--times", "2")
    assert "pixels BYTES" in printed
    assert re.search(r"1,798 images in .* a second", printed)


def test_embeddings_are_bytes_and_have_neighbours() -> None:
    printed = run("embeddings_as_bytes.py")
    assert "300 embeddings of 384 floats, 460,800 bytes." in printed
    assert re.search(r"is the battery good\n  0\.6\d  the battery life is amazing\.", printed)


def test_reviews_are_scored() -> None:
    printed = run("sentiment.py")
    assert "300" in printed


def test_a_model_is_a_function_in_sql_and_in_python() -> None:
    printed = run("functions.py")
    assert re.search(r"positive +\d+ reviews", printed)
    assert "As a PyFlink function" in printed


def test_phishing_is_found_and_broken_rows_are_dead_letters() -> None:
    printed = run("fraud.py")
    assert "age_of_domain is not between 0 and 1" in printed
    assert re.search(r"324 sites have a score, which is right for 8\d\.\d% of them; 8 rows failed\.", printed)


def test_callers_are_heard_one_by_one() -> None:
    printed = run("speech.py")
    assert "1872 chunks of 4 callers." in printed
    assert len(re.findall(r"^caller \d  [#.]{58}  1\d\.\d s of speech$", printed, re.M)) == 4


def test_a_language_model_chats_sums_up_and_extracts() -> None:
    printed = run("language_model.py")
    chat, summary, tickets = printed.split("\nSELECT")[-3:]
    # A customer's second question comes with what was said before.
    assert r"customer: where is my parcel\nagent: it left our depot this morning\ncustomer: can i" in chat
    assert len(re.findall(r"^  \d \| 'customer: .*' \| '.+'$", chat, re.M)) == 7
    assert len(re.findall(r"^  2026-03-02 (09|10):00:00 \| \d \| '.+'$", summary, re.M)) == 2
    assert len(re.findall(r"^  '.*' \| '(delivery|refund|other)' \| (True|False)$", tickets, re.M)) == 7
