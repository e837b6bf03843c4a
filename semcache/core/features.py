"""What the verifier sees of a query: the nearest rows pooled by answer, and the words of the two texts.

One function for the build, the evaluation and the lookup, so a weight means the same wherever it was fitted. Pure:
scores, answers and readings of texts in, numbers out.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.lexical import FEATURES as LEXICAL
from semcache.core.lexical import Lexical, TokenRarity, compare, token_slot

RETRIEVAL = (
    "score",
    "margin",
    "mean_margin",
    "share",
    "sharp_share",
    "share_of_10",
    "share_of_5",
    "fall_of_3",
    "answer_mean",
    "answer_lift",
    "answer_found",
    "answer_rows",
    "lift",
    "rival",
    "over_hardness",
    "hardness",
    "over_closest",
    "over_cohesion",
    "cohesion",
    "cohesion_over_hardness",
    "range",
    "answers",
)
"""Features of the neighbourhood, in order; see `pool`."""
FEATURES = (*RETRIEVAL, "unsaid", *LEXICAL)
"""All features, in order. `unsaid`: 0 to 1, share of the query's rarity that no near row of the answer says."""
N_SLOTS = 65_535
"""Slots of the table of rarities; one less than a uint16 holds, so that 65,535 can stand for no word."""
NO_WORD = 65_535
N_WORDS = 16
"""Slots kept of each row: its longest terms, so that a row's slots depend on its text only."""

_SOFT, _SHARP = 20.0, 50.0  # 1 / temperature of the two softmaxes
_SIBLINGS = 8
_RIVALS = 3
_MAX_LOGIT = 7.0
_MOST_KEPT = 8192

Slots = npt.NDArray[np.uint16]

ROW_FACTS = np.dtype([("hardness", "u1"), ("closest", "u1")])
"""Of each row: its best score to a row of a different answer, and to another row of its own answer, in `FACT_STEPS`."""
FACT_STEPS = 255
"""Steps from 0 to 1 of a row's facts: coarse, so that few of them change when a corpus does."""
ANSWER_FACTS = np.dtype([("n_rows", "<i4"), ("cohesion", "<f4"), ("hardness", "<f4")])
"""Of each answer: its rows, the mean of their `closest`, the most of their `hardness`."""


class _SlotOf(dict[str, int]):
    """The slot of each term met so far; at most `_MOST_KEPT`, then it starts anew."""

    def __missing__(self, term: str) -> int:
        slot = token_slot(term, N_SLOTS)
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[term] = slot
        return slot


_SLOT_OF = _SlotOf()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The answer that the nearest rows speak for.

    Attributes:
        answer: its number; negative where that is a guard, which has none.
        position: its best row among the neighbours.
        rival: the best row of a different answer; None where none was seen.
        margin: score of the one less that of the other. Where no rival was seen, the last row stands in for it.
        siblings: its first rows among the neighbours.
        features: the values of `RETRIEVAL`.
    """

    answer: int
    position: int
    rival: int | None
    margin: float
    siblings: list[int]
    features: list[float]


def pool(
    scores: npt.NDArray[np.float32],
    answers: Sequence[int],
    rows: Sequence[int],
    *,
    row_facts: npt.NDArray[Any],
    answer_facts: npt.NDArray[Any],
) -> Candidate:
    """Pool neighbours by answer: the one with the largest share of a softmax over their scores is the candidate.

    Args:
        scores: (k,) cosines, best first; k is 1 or more.
        answers: of each; a guard is a negative number of its own entry.
        rows: of each.
        row_facts: (n_rows,) of `ROW_FACTS`.
        answer_facts: (n_answers,) of `ANSWER_FACTS`.
    """
    plain, falls = scores.tolist(), scores - scores[0]
    weights = np.exp(falls * _SOFT).tolist()
    shares = _shares(answers, weights)
    best = max(shares, key=shares.__getitem__)
    mine = [i for i, answer in enumerate(answers) if answer == best]
    others = _first_others(answers, best)
    own = [plain[i] for i in mine]
    score, rival = own[0], plain[others[0]] if others else plain[-1]
    mean3 = _mean(own[:3])
    rival3 = _mean([plain[i] for i in others]) if others else plain[-1]
    sharp = np.exp(falls * _SHARP)
    hardness, closest = (steps / FACT_STEPS for steps in row_facts.item(rows[mine[0]]))
    n_rows, cohesion, hardest = answer_facts.item(best) if best >= 0 else (1, closest, hardness)
    mean = _mean(plain)
    answer_mean = (sum(own) + max(0, n_rows - len(own)) * plain[-1]) / max(n_rows, len(own))
    features = [
        score,
        score - rival,
        mean3 - rival3,
        _logit(shares[best] / sum(weights)),
        _logit(float(np.add.reduce(sharp.take(mine)) / np.add.reduce(sharp))),
        bisect_left(mine, 10) / min(10, len(plain)),
        bisect_left(mine, 5) / min(5, len(plain)),
        mean3 - score,
        answer_mean,
        answer_mean - mean,
        min(1.0, len(own) / n_rows),
        math.log(n_rows),
        score - mean,
        rival,
        score - hardness,
        hardness,
        score - closest,
        score - cohesion,
        cohesion,
        cohesion - hardest,
        plain[0] - plain[-1],
        math.log(len(shares)),
    ]
    first_other = others[0] if others else None
    return Candidate(best, mine[0], first_other, score - rival, mine[:_SIBLINGS], features)


def _shares(answers: Sequence[int], weights: Sequence[float]) -> dict[int, float]:
    """Return the sum of the weights of each answer, the answers in the order of their best rows."""
    shares: dict[int, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer in shares:
            shares[answer] += weight
        else:
            shares[answer] = weight
    return shares


def _first_others(answers: Sequence[int], best: int) -> list[int]:
    """Return where the first rows of other answers are: three at most."""
    others = []
    for i, answer in enumerate(answers):
        if answer != best:
            others.append(i)
            if len(others) == _RIVALS:
                break
    return others


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _logit(share: float) -> float:
    return min(_MAX_LOGIT, math.log((share + 1e-3) / (1.0 - share + 1e-3)))


def as_steps(scores: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return scores as a row's facts hold them; what is under 0 counts as 0."""
    return np.rint(np.clip(scores, 0.0, 1.0) * np.float64(FACT_STEPS)).astype(np.uint8)


def facts_of_answers(
    row_facts: npt.NDArray[Any], answers: npt.NDArray[np.integer[Any]], *, n_answers: int
) -> npt.NDArray[Any]:
    """Return (n_answers,) of `ANSWER_FACTS` from the facts of rows; (1, 0, 0) for an answer of no row.

    Args:
        row_facts: (n_rows,) of `ROW_FACTS`.
        answers: (n_rows,) of each; what is negative (a guard, a dead row) counts for none.
        n_answers: how many there are.
    """
    is_own = answers >= 0
    own, facts = answers[is_own], row_facts[is_own]
    found = np.zeros(n_answers, ANSWER_FACTS)
    n_rows = np.bincount(own, minlength=n_answers)
    closest = np.bincount(own, weights=facts["closest"], minlength=n_answers)
    hardest = np.zeros(n_answers, np.uint8)
    np.maximum.at(hardest, own, facts["hardness"])
    found["n_rows"] = np.maximum(n_rows, 1)
    found["cohesion"] = np.where(n_rows > 1, closest / found["n_rows"] / FACT_STEPS, 0.0)
    found["hardness"] = hardest / FACT_STEPS
    return found


def lexical(query: Lexical, variant: Lexical, siblings: Slots, rarity: TokenRarity) -> tuple[float, ...]:
    """Return `unsaid` and the features of `lexical.compare`.

    Args:
        query: what was asked.
        variant: the candidate's best row.
        siblings: (n, N_WORDS) slots of the candidate's near rows.
        rarity: of terms.
    """
    said = set(siblings.ravel().tolist())
    total = unsaid = 0.0
    for term in query.places:
        weight = rarity[term]
        total += weight
        if _SLOT_OF[term] not in said:
            unsaid += weight
    return (unsaid / total if total > 0.0 else 0.0, *compare(query, variant, rarity.__getitem__))


def rarities(n_texts_with: npt.NDArray[np.int64], n_texts: int) -> npt.NDArray[np.float32]:
    """Return (N_SLOTS,) float32 weights of terms from how many texts hold each, 0 or more; most for one never seen.

    Scaled so that a term never seen weighs 1: weights mean the same in a small and in a large corpus.
    """
    raw = np.log((n_texts + 1.0) / (n_texts_with + 0.5))
    most = math.log((n_texts + 1.0) / 0.5)
    weights: npt.NDArray[np.float32] = (np.maximum(raw, 0.0) / most).astype(np.float32)
    return weights
