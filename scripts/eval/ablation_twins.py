"""What features of words do against near twins: traps served with and without them, each at its own 5 % level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fit_generic

from eval import ours
from eval.ablation import VARIANTS, Refitted, Variant
from eval.embeddings import Vectors
from eval.measured_twins import fresh, labelled_twins, shares
from eval.retrieval import Labelled
from eval.setups import TWIN_SET_UPS, TwinSetUp
from eval.texts import read_pairs
from eval.twins import Twins, as_twins, sample_pairs

COMPARED = ("all", "+ hardness", "+ form (all but facts)")
"""Variants of the ablation: with all words, with none, and without the facts that differ."""
LEVEL = 0.05


def measure_ablated_twins(data: Path, vectors: Vectors, refitted: Refitted) -> dict[str, Any]:
    """Return, for each variant, its threshold and the shares of traps and wishes that it serves of each set."""
    sets = [_Asked.of(one, data, vectors) for one in TWIN_SET_UPS]
    return {name: _measured(VARIANTS[name], sets, refitted) for name in COMPARED}


class _Asked:
    """A set of near twins as a decision sees it. The adapter plays no part: an answer has one phrasing here."""

    def __init__(self, set_up: TwinSetUp, twins: Twins, known: Labelled, asked: Labelled) -> None:
        chosen, self.twins = fresh(twins)
        self.set_up, self.queries = set_up, asked.at(chosen)
        self.seen = ours.Bundle(known, seed=0).see(self.queries)

    @classmethod
    def of(cls, set_up: TwinSetUp, data: Path, vectors: Vectors) -> _Asked:
        """Read and search a set."""
        pairs = read_pairs(data / set_up.folder)
        twins = as_twins(sample_pairs(pairs, most=set_up.max_pairs) if set_up.max_pairs else pairs)
        return cls(set_up, twins, *labelled_twins(set_up.folder, twins, vectors))


def _measured(variant: Variant, sets: list[_Asked], refitted: Refitted) -> dict[str, Any]:
    threshold = _threshold(variant, refitted)
    found: dict[str, Any] = {}
    for one in sets:
        logits = ours.logits_of(refitted.trees(one.set_up.folder, variant.features), one.seen.x)
        is_served = ours.confidences(logits, one.seen.answers) >= threshold
        found[one.set_up.name] = shares(is_served, one.seen.answers == one.queries.groups, one.twins)
    return {"threshold": threshold, "sets": found}


def _threshold(variant: Variant, refitted: Refitted) -> float:
    """Return the confidence that the public sets' queries certify, as they do for the generic trees that ship."""
    document = fit_generic.certify_generic(refitted.parts("", variant.features), seed=0)
    (level,) = (one for one in document["levels"] if one["max_error"] == LEVEL)
    return float("inf") if level["threshold"] is None else float(level["threshold"])
