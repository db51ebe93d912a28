"""Rows of interleaved sequences, and the sums that a stateful model must give for them."""

from __future__ import annotations

import random


def interleaved(sequences: int, length: int, prefix: str) -> list[tuple[int, str, bool, bool]]:
    """Rows of (x, id, whether it is the first, whether it is the last), each sequence in its order."""
    dice = random.Random(7)
    order = [sequence for sequence in range(sequences) for _ in range(length)]
    dice.shuffle(order)
    seen = [0] * sequences
    rows = []
    for sequence in order:
        seen[sequence] += 1
        x = dice.randrange(1000)
        rows.append((x, f"{prefix}-{sequence}", seen[sequence] == 1, seen[sequence] == length))
    return rows


def running_sums(rows: list[tuple[int, str, bool, bool]]) -> list[int]:
    sums: dict[str, int] = {}
    answers = []
    for x, id_, first, _ in rows:
        sums[id_] = x + (0 if first else sums[id_])
        answers.append(sums[id_])
    return answers
