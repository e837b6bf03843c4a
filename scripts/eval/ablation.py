"""What each part of the decision earns: the decision with one part left out, refitted without it.

Features that are left out are constant when trees are grown, generic and own ones alike, so none asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import fit_generic
import numpy as np
import numpy.typing as npt

from eval import ours
from eval.deciding import Logits, bundle_of, outcome, rights, see, to_learn, with_local
from eval.logistic import Logistic
from eval.measured import Problem
from semcache.core.features import FEATURES, RETRIEVAL
from semcache.core.verifier import SIGNS

_HARDNESS = ("over_hardness", "hardness", "over_closest", "over_cohesion", "cohesion", "cohesion_over_hardness")
_WORDS = ("unsaid", "query_unmatched", "variant_unmatched", "query_rarest", "variant_rarest", "soft")
_FORM = ("disorder", "pointing", "length_gap", "brevity")
GROUPS: dict[str, tuple[str, ...]] = {
    "neighbourhood": tuple(name for name in RETRIEVAL if name not in _HARDNESS),
    "hardness": _HARDNESS,
    "words": _WORDS,
    "form": _FORM,
    "facts": tuple(name for name in FEATURES if name not in (*RETRIEVAL, *_WORDS, *_FORM)),
}
"""Every feature is in one group."""
SCORES = ("score", "margin")
_SHIPPED_GENERIC = tuple(FEATURES)


@dataclass(frozen=True, slots=True)
class Variant:
    """A decision with something left out.

    Attributes:
        features: those that are kept.
        is_adapted: whether vectors are moved by an adapter.
        has_generic, has_local: whether it has the trees of public sets, and its own ones.
        is_logistic: whether logistic regressions stand in for both.
    """

    features: tuple[str, ...] = FEATURES
    is_adapted: bool = True
    has_generic: bool = True
    has_local: bool = True
    is_logistic: bool = False


def _of(*groups: str) -> tuple[str, ...]:
    return tuple(name for group in groups for name in GROUPS[group])


def _without(group: str) -> tuple[str, ...]:
    return _of(*(name for name in GROUPS if name != group))


VARIANTS: dict[str, Variant] = {
    "all": Variant(),
    "score and margin only": Variant(SCORES),
    "neighbourhood only": Variant(_of("neighbourhood")),
    "+ hardness": Variant(_of("neighbourhood", "hardness")),
    "+ words": Variant(_of("neighbourhood", "hardness", "words")),
    "+ form (all but facts)": Variant(_without("facts")),
    "all but hardness": Variant(_without("hardness")),
    "all but words": Variant(_without("words")),
    "all but form": Variant(_without("form")),
    "no adapter": Variant(is_adapted=False),
    "no own trees": Variant(has_local=False),
    "no generic trees": Variant(has_generic=False),
    "logistic, no trees": Variant(is_logistic=True),
}


class Refitted:
    """What the generic verifier is fitted on, and trees fitted on it without some features, kept in a folder."""

    def __init__(self, data: Path, encoder: Path, cache: Path) -> None:
        """Take the data folder, an exported encoder, and the folder that keeps features and trees."""
        self._data, self._encoder, self._cache = data, encoder, cache

    @cached_property
    def all_parts(self) -> fit_generic.Parts:
        """All parts of all sets."""
        folder = self._cache / "features"
        folder.mkdir(parents=True, exist_ok=True)
        return fit_generic.parts_of(self._data, self._encoder, cache=folder, left_out=(), seed=0)

    def parts(self, left_out: str, features: Sequence[str]) -> fit_generic.Parts:
        """Return the parts of the other sets, with some features."""
        return [
            (name, part, (kept(x, features), is_right))
            for name, part, (x, is_right) in self.all_parts
            if name.split("-", maxsplit=1)[0] != left_out
        ]

    def trees(self, left_out: str, features: Sequence[str]) -> ours.Trees:
        """Return generic trees that never saw a set, and see some features only."""
        if tuple(features) == _SHIPPED_GENERIC:
            return ours.trees_without(left_out)
        digits = "".join("1" if name in features else "0" for name in FEATURES)
        path = self._cache / "trees" / f"{left_out}.{int(digits, 2):x}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, fit_generic.fit(self.parts(left_out, features)))
        trees: ours.Trees = np.load(path, allow_pickle=False)
        return trees

    def logistic(self, left_out: str) -> Logistic:
        """Return a generic logistic regression that never saw a set."""
        parts = self.parts(left_out, FEATURES)
        x, is_right, weights = fit_generic.stacked(parts)
        return Logistic.fitted(x, is_right, weights=weights)


def kept(x: npt.NDArray[Any], features: Sequence[str]) -> npt.NDArray[Any]:
    """Return (n, n_features) with the features that are not kept at 0."""
    is_kept = np.array([name in features for name in FEATURES])
    return np.where(is_kept, x, 0.0).astype(x.dtype)


def measure_ablation(problem: Problem, refitted: Refitted) -> dict[str, Any]:
    """Return what each variant gives."""
    by_adapter = {is_adapted: see(problem, bundle_of(problem, is_adapted=is_adapted)) for is_adapted in (True, False)}
    outcomes: dict[str, Any] = {}
    for name, variant in VARIANTS.items():
        seen = by_adapter[variant.is_adapted]
        seen = replace(seen, x=kept(seen.x, variant.features))
        decide = _by_logistic if variant.is_logistic else _by_trees
        outcomes[name] = outcome(problem, seen, decide(problem, seen, variant, refitted))
    return {"variants": outcomes}


def _by_trees(problem: Problem, seen: ours.Seen, variant: Variant, refitted: Refitted) -> Logits:
    logits = np.zeros(len(seen.x))
    if variant.has_generic:
        logits = ours.logits_of(refitted.trees(problem.folder, variant.features), seen.x)
    return with_local(problem, seen, logits, signs=SIGNS) if variant.has_local else logits


def _by_logistic(problem: Problem, seen: ours.Seen, variant: Variant, refitted: Refitted) -> Logits:
    """As trees do it: a generic regression, then one of the set-up's own on top of what it says."""
    generic = refitted.logistic(problem.folder)
    logits = generic.logits(seen.x)
    if not variant.has_local:
        return logits
    learned = to_learn(problem, seen)
    own = generic.on_top(seen.x[learned], rights(problem, seen)[learned], logits=logits[learned], seed=problem.seed)
    return logits + own.logits(seen.x)
