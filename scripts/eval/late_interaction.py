"""What token vectors would add to the decision: how well each word of one text is met by some word of the other.

The vectors are the encoder's last layer before pooling, which a lookup computes anyhow for the query. Held against
each other are the query and the candidate's nearest row, in both directions (Khattab, Zaharia: ColBERT, 2020).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import fit_generic
import numpy as np
import numpy.typing as npt
import torch

from eval import ours
from eval.deciding import outcome, read, rights, with_own
from eval.embeddings import Vectors
from eval.problem import Problem, prepare
from eval.retrieval import Floats
from eval.setups import SET_UPS
from semcache.build.boost import BoostConfig, boost
from semcache.config import DEFAULT_MODEL
from semcache.core.verifier import SIGNS
from semcache.embed.export import load_torch_model
from semcache.embed.model_source import find_model

LATE = ("query_met", "query_least_met", "variant_met", "variant_least_met")
"""Cosines, -1 to 1. `_met`: mean over a side's tokens, weighted by rarity, of the best match on the other side;
`_least_met`: the worst of those matches among the rarer half of the tokens."""
LATE_SIGNS = (*SIGNS, *(1 for _ in LATE))
DONORS = ("banking77-5", "banking77-20", "clinc150-5", "clinc150-20", "stackfaq-5")
"""Set-ups that trees are fitted on to judge another set."""
_BATCH = 128
_BLOCK = 512
_N_TIMED = 500


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens without the marks at its ends.

    Attributes:
        ids: (n,) of the vocabulary.
        vectors: (n, dim) float16 unit rows.
    """

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float16]


class TokenReader:
    """Gives token vectors of texts; each text is read once."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._model = load_torch_model(find_model(DEFAULT_MODEL))
        self._read: dict[str, Tokens] = {}

    def of(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text."""
        new = sorted({text for text in texts if text not in self._read}, key=lambda text: (len(text), text))
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            inputs = self._model.preprocess(batch)
            with torch.no_grad():
                states = torch.nn.functional.normalize(self._model(inputs)["token_embeddings"], dim=-1)
            for text, row, ids, mask in zip(
                batch, states.numpy(), inputs["input_ids"].numpy(), inputs["attention_mask"].numpy(), strict=True
            ):
                inner = np.flatnonzero(mask)[1:-1]
                self._read[text] = Tokens(ids[inner].astype(np.int64), row[inner].astype(np.float16))
        return [self._read[text] for text in texts]


def met(query: Tokens, variant: Tokens, rarity: Callable[[Tokens], Floats]) -> tuple[float, ...]:
    """Return the features of `LATE`; zeros where a text has no token."""
    if not len(query.ids) or not len(variant.ids):
        return (0.0,) * len(LATE)
    scores = query.vectors.astype(np.float32) @ variant.vectors.astype(np.float32).T
    sides = ((scores.max(axis=1), rarity(query)), (scores.max(axis=0), rarity(variant)))
    return tuple(
        value
        for best, weights in sides
        for value in (float(best @ weights / weights.sum()), float(best[weights >= np.median(weights)].min()))
    )


def rarity_of(known: Sequence[Tokens]) -> Callable[[Tokens], Floats]:
    """Return what weighs tokens: more, the fewer known texts have them."""
    n_with = np.bincount(np.concatenate([np.unique(one.ids) for one in known]), minlength=int(1e5))
    weights = np.log((len(known) + 1.0) / (n_with + 0.5)).clip(0.05).astype(np.float32)
    return lambda tokens: np.asarray(weights[tokens.ids], np.float32)


@dataclass(frozen=True, slots=True)
class _Read:
    """A problem with what the decision sees of it, and with the late features beside."""

    problem: Problem
    plain: ours.Seen
    late: ours.Seen
    cost: dict[str, float]


def measurer(data: Path, vectors: Vectors) -> Callable[[Problem], dict[str, Any]]:
    """Return what measures a problem, with donors drawn from the same data."""
    reader = TokenReader()

    @cache
    def donor(name: str) -> _Read:
        (set_up,) = (one for one in SET_UPS if one.name == name)
        return _read(prepare(set_up, data, vectors, seed=0), reader)

    @cache
    def trees(left_out: str, *, is_late: bool) -> ours.Trees:
        folders = {one.name: one.folder for one in SET_UPS}
        return _fitted([donor(name) for name in DONORS if folders[name] != left_out], is_late=is_late)

    def measure(problem: Problem) -> dict[str, Any]:
        found = _read(problem, reader)
        generic = ours.trees_without(problem.folder)
        variants: dict[str, tuple[ours.Seen, ours.Trees, Sequence[int]]] = {
            "as it is": (found.plain, generic, SIGNS),
            "own trees see tokens": (found.late, generic, LATE_SIGNS),
        }
        for name, seen, is_late, signs in (
            ("fitted on other set-ups", found.plain, False, SIGNS),
            ("the same, all trees see tokens", found.late, True, LATE_SIGNS),
        ):
            variants[name] = seen, trees(problem.folder, is_late=is_late), signs
        outcomes = {
            name: outcome(problem, seen, with_own(problem, seen, under, signs=signs))
            for name, (seen, under, signs) in variants.items()
        }
        return {"variants": outcomes, **found.cost}

    return measure


def _read(problem: Problem, reader: TokenReader) -> _Read:
    found = read(problem)
    plain = found.seen
    known, queries = reader.of(problem.known.texts), reader.of(problem.queries.texts)
    rarity = rarity_of(known)
    pairs = [(queries[i], known[row]) for i, row in enumerate(_nearest(problem, found.bundle, plain).tolist())]
    columns = np.array([met(query, variant, rarity) for query, variant in pairs])
    cost = {"bytes_per_row": 2.0 * float(np.mean([one.vectors.size for one in known])), "us": _us(pairs, rarity)}
    return _Read(problem, plain, replace(plain, x=np.hstack([plain.x, columns])), cost)


def _nearest(problem: Problem, bundle: ours.Bundle, seen: ours.Seen) -> npt.NDArray[np.intp]:
    """Return the row of each query's candidate that is nearest to it."""
    known, queries = bundle.adapt(problem.known.vectors), bundle.adapt(problem.queries.vectors)
    rows = []
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        is_own = seen.answers[block, None] == problem.known.groups[None, :]
        rows.append(np.where(is_own, queries[block] @ known.T, -2.0).argmax(axis=1))
    return np.concatenate(rows)


def _us(pairs: Sequence[tuple[Tokens, Tokens]], rarity: Callable[[Tokens], Floats]) -> float:
    """Return the median time of the features of one pair."""
    taken = []
    for query, variant in pairs[:_N_TIMED]:
        began = time.perf_counter()
        met(query, variant, rarity)
        taken.append(time.perf_counter() - began)
    return 1e6 * median(taken)


def _fitted(donors: Sequence[_Read], *, is_late: bool) -> ours.Trees:
    """Fit trees on all queries of other set-ups, which count alike."""
    seen = [donor.late if is_late else donor.plain for donor in donors]
    right = [rights(donor.problem, donor.plain) for donor in donors]
    weights = [np.full(len(one), min(1.0, 3000 / len(one))) for one in right]
    x, is_right = np.concatenate([one.x for one in seen]), np.concatenate(right)
    config = BoostConfig(n_trees=fit_generic.N_TREES)
    return boost(
        x,
        is_right,
        logits=np.zeros(len(x)),
        weights=np.concatenate(weights),
        signs=LATE_SIGNS if is_late else SIGNS,
        config=config,
    )
