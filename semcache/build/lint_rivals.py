"""Finds what entries do to each other: texts that may get another's answer, texts that stand in the wrong entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from semcache.build.findings import Finding, FindingKind, Severity
from semcache.build.left_out import Answered, LeftOut, level_of
from semcache.build.written import Rival, WrittenRows
from semcache.core.differences import differences
from semcache.core.lexical import analyse

MISPLACED_LEAD = 0.3
"""So much nearer to three texts of another answer than to three of its own. Of 100 texts of speckit put into entries
at random some 70 are found, and 0.9 % of those that are in the right one (docs/corpus.md).
"""
CERTAIN_ERROR = 0.05
"""What would be served at a generic level up to this one is an error, at a larger one a warning."""

_COMPARED = 3
_SAME_VECTOR = "one gets the other's answer, by chance of their order: reword one of them, or merge the two entries"
_MERGE = "merge the two entries where one answer serves both; else say in the texts what tells them apart"
_TELL_APART = (
    "say in the texts what tells the two apart, or write a reworded form of the first text into the other's rejects"
)
_MOVE = "move it to that entry where it belongs there; else reword it, and add phrasings near it"


def same_vectors(rows: WrittenRows, rivals: Sequence[Rival]) -> Iterator[Finding]:
    """Yield texts of different answers that the encoder gives one vector, each pair of entries once."""
    seen = set[tuple[int, int]]()
    for score, row, other in rivals:
        pair = _entries(rows, row, other)
        if pair not in seen and np.array_equal(rows.vectors[row], rows.vectors[other]):
            seen.add(pair)
            yield _equal(rows, row, other, kind=FindingKind.SAME_VECTOR, score=score, suggestion=_SAME_VECTOR)


def same_words(rows: WrittenRows, rivals: Sequence[Rival]) -> Iterator[Finding]:
    """Yield near texts of different answers of which no word tells a difference: the nearest of each two entries."""
    best = dict[tuple[int, int], tuple[float, int, int]]()
    readings = [analyse(text.text) for text in rows.texts]
    for score, row, other in rivals:
        pair = _entries(rows, row, other)
        if score > best.get(pair, (0.0, 0, 0))[0] and not differences(readings[row], readings[other]):
            best[pair] = score, row, other
    for score, row, other in best.values():
        yield _equal(rows, row, other, kind=FindingKind.COLLISION, score=score, suggestion=_MERGE)


def overruled(rows: WrittenRows, asked: Sequence[Answered], left_out: LeftOut) -> Iterator[Finding]:
    """Yield texts that would be served another answer, each asked without itself but with others of its answer."""
    for answered in asked:
        max_error = level_of(answered.confidence)
        _, own = left_out.siblings(answered.row)
        if max_error is not None and len(own) and answered.answer != rows.answers[answered.row]:
            yield _served(rows, FindingKind.WRONG, answered, max_error, suggestion=_MOVE, own_score=float(own[0]))


def claimed(rows: WrittenRows, asked: Sequence[Answered]) -> Iterator[Finding]:
    """Yield texts that would be served another answer, each asked without its own: the surest of each two entries."""
    best = dict[tuple[int, int], Answered]()
    for answered in asked:
        pair = _entries(rows, answered.row, answered.found_row)
        if answered.answer >= 0 and (pair not in best or answered.confidence > best[pair].confidence):
            best[pair] = answered
    for answered in best.values():
        max_error = level_of(answered.confidence)
        if max_error is not None:
            yield _served(rows, FindingKind.COLLISION, answered, max_error, suggestion=_TELL_APART)


def misplaced(rows: WrittenRows, asked: Sequence[Answered], left_out: LeftOut) -> Iterator[Finding]:
    """Yield texts that are far nearer to another answer than to their own; of two texts of one, neither is."""
    for answered in asked:
        _, own = left_out.siblings(answered.row, n=_COMPARED)
        if len(own) < 2 or not 0 <= answered.answer != rows.answers[answered.row]:
            continue
        _, others = left_out.nearest_of(answered.answer, answered.row, n=len(own))
        lead = float(others.mean() - own[: len(others)].mean())
        if lead >= MISPLACED_LEAD:
            numbers = {"score": answered.score, "own_score": float(own[0]), "lead": lead}
            yield _between(
                rows,
                answered.row,
                answered.found_row,
                kind=FindingKind.MISPLACED,
                severity="warning",
                suggestion=_MOVE,
                numbers=numbers,
                rank=lead,
            )


def _equal(rows: WrittenRows, row: int, other: int, *, kind: FindingKind, score: float, suggestion: str) -> Finding:
    """Return a finding that stands before all that a verifier is sure of, whose confidence is less than 1."""
    numbers, rank = {"score": score}, 1.0 + score
    return _between(rows, row, other, kind=kind, severity="error", suggestion=suggestion, numbers=numbers, rank=rank)


def _served(
    rows: WrittenRows, kind: FindingKind, answered: Answered, max_error: float, *, suggestion: str, **numbers: float
) -> Finding:
    return _between(
        rows,
        answered.row,
        answered.found_row,
        kind=kind,
        severity="error" if max_error <= CERTAIN_ERROR else "warning",
        suggestion=suggestion,
        numbers={"score": answered.score, "confidence": answered.confidence, "max_error": max_error, **numbers},
        rank=answered.confidence,
    )


def _between(
    rows: WrittenRows,
    row: int,
    other: int,
    *,
    kind: FindingKind,
    severity: Severity,
    suggestion: str,
    numbers: dict[str, float],
    rank: float,
) -> Finding:
    texts = rows.texts[row], rows.texts[other]
    differs = differences(analyse(texts[0].text), analyse(texts[1].text))
    return Finding(kind, severity, texts, suggestion, numbers, rank, differs=differs)


def _entries(rows: WrittenRows, row: int, other: int) -> tuple[int, int]:
    one, two = int(rows.entries[row]), int(rows.entries[other])
    return min(one, two), max(one, two)
