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
from eval.deciding import Logits, outcome, read, rights, with_own
from eval.problem import Problem
from semcache.build.boost import BoostConfig, boost
from semcache.build.line import Line, fit_line
from semcache.core.features import FEATURES, RETRIEVAL
from semcache.core.verifier import SIGNS, TREE

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
        is_adapted, is_taught: whether vectors are moved by an adapter, and whether that learns from the fit part too.
        has_generic, has_own: whether it has the trees of public sets, and its own ones with their line.
        has_line: whether own trees stand on a line; without one there are twice as many of them, on all of the generic.
        has_trees: whether there are trees at all, or lines only, generic and own.
    """

    features: tuple[str, ...] = FEATURES
    is_adapted: bool = True
    is_taught: bool = True
    has_generic: bool = True
    has_own: bool = True
    has_line: bool = True
    has_trees: bool = True


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
    "adapter of known phrasings only": Variant(is_taught=False),
    "no adapter": Variant(is_adapted=False),
    "nothing of its own": Variant(has_own=False),
    "own trees, no line": Variant(has_line=False),
    "lines, no trees": Variant(has_trees=False),
    "no generic trees": Variant(has_generic=False),
}
_NOT_ON_A_LINE = BoostConfig(n_trees=160, min_weight=20.0)


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

    def line(self, left_out: str) -> Line:
        """Return a generic logistic regression that never saw a set."""
        x, is_right, weights = fit_generic.stacked(self.parts(left_out, FEATURES))
        return fit_line(x, is_right, logits=np.zeros(len(x)), weights=weights, signs=SIGNS, penalties=(1.0,))


def kept(x: npt.NDArray[Any], features: Sequence[str]) -> npt.NDArray[Any]:
    """Return (n, n_features) with the features that are not kept at 0."""
    is_kept = np.array([name in features for name in FEATURES])
    return np.where(is_kept, x, 0.0).astype(x.dtype)


def measure_ablation(problem: Problem, refitted: Refitted) -> dict[str, Any]:
    """Return what each variant gives; none of them doubts near twins, which `made_twins` measures."""
    sorts = {(one.is_adapted, one.is_taught) for one in VARIANTS.values()}
    seen_by = {sort: read(problem, is_adapted=sort[0], is_taught=sort[1]).seen for sort in sorts}
    outcomes: dict[str, Any] = {}
    for name, variant in VARIANTS.items():
        seen = seen_by[variant.is_adapted, variant.is_taught]
        seen = replace(seen, x=kept(seen.x, variant.features))
        outcomes[name] = outcome(problem, seen, _logits(problem, seen, variant, refitted))
    return {"variants": outcomes}


def _logits(problem: Problem, seen: ours.Seen, variant: Variant, refitted: Refitted) -> Logits:
    if not variant.has_trees:
        return _by_lines(problem, seen, refitted)
    trees = refitted.trees(problem.folder, variant.features) if variant.has_generic else np.zeros(1, TREE)
    if not variant.has_own:
        return ours.logits_of(trees, seen.x)
    return with_own(problem, seen, trees) if variant.has_line else _without_line(problem, seen, trees)


def _without_line(problem: Problem, seen: ours.Seen, generic: ours.Trees) -> Logits:
    logits = ours.logits_of(generic, seen.x)
    x, is_right, places = _learned(problem, seen)
    weights = np.ones(len(x))
    own = boost(x, is_right, logits=logits[places], weights=weights, signs=SIGNS, config=_NOT_ON_A_LINE)
    return logits + ours.logits_of(own, seen.x)


def _by_lines(problem: Problem, seen: ours.Seen, refitted: Refitted) -> Logits:
    """Return what a generic regression says, and one of the set-up's own on top of it."""
    logits = refitted.line(problem.folder).logits(seen.x)
    x, is_right, places = _learned(problem, seen)
    own = fit_line(x, is_right, logits=logits[places], weights=np.ones(len(x)), signs=SIGNS)
    return logits + own.logits(seen.x)


def _learned(
    problem: Problem, seen: ours.Seen
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Return features, labels and places of the queries of the fit part that have a candidate."""
    fit = problem.parts.fit
    places = fit[seen.answers[fit] >= 0]
    return seen.x[places], rights(problem, seen)[places], places
