"""Measures near twins: how many traps are served, how many wishes, by every decision on the same vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eval import gptcache_baseline, ours
from eval.embeddings import Vectors
from eval.measured import COSINES, MAX_GPTCACHE
from eval.retrieval import Bools, Found, Labelled, search
from eval.setups import TwinSetUp
from eval.splits import Indices
from eval.texts import read_pairs
from eval.thresholds import NOTHING_SERVED
from eval.twins import Twins, as_twins, sample_pairs

TRAP_LEVELS = (0.01, 0.05)
CONFIDENCES = (0.97, 0.952, 0.918)
"""Least confidence served here: that of the generic 5 % and 10 % levels, and one above."""


def measure_twins(set_up: TwinSetUp, data_dir: Path, vectors: Vectors, python: Path | None) -> dict[str, Any]:
    """Return the shares of traps and wishes that each decision serves."""
    pairs = read_pairs(data_dir / set_up.folder)
    twins = as_twins(sample_pairs(pairs, most=set_up.max_pairs) if set_up.max_pairs else pairs)
    known, asked = labelled_twins(set_up.folder, twins, vectors)
    found = search(known, asked, skip=np.array(twins.skip, np.int64))
    rules = {f"cosine {least:.2f}": found.score >= least for least in COSINES}
    rules["score .80, margin .10"] = (found.score >= 0.80) & (found.margin >= 0.10)
    result: dict[str, Any] = {
        "n_entries": len(known),
        "n_traps": int(twins.is_trap.sum()),
        "n_wishes": int(twins.is_wish.sum()),
        "rules": {name: shares(served, found.is_right, twins) for name, served in rules.items()},
        "best": [_best(found, twins, most) for most in TRAP_LEVELS],
    }
    result["rules"] |= _ours(known, asked, twins, left_out=set_up.folder)
    if python:
        result["gptcache"] = _gptcache(python, known, asked, twins)
    return result


def shares(is_served: Bools, is_right: Bools, twins: Twins) -> dict[str, float | None]:
    """Return the share of traps served wrong, and of wishes served right."""
    false, wished = is_served & ~is_right, is_served & is_right
    return {
        "traps_served": float(false[twins.is_trap].mean()) if twins.is_trap.any() else None,
        "wishes_served": float(wished[twins.is_wish].mean()) if twins.is_wish.any() else None,
    }


def _ours(known: Labelled, asked: Labelled, twins: Twins, *, left_out: str) -> dict[str, Any]:
    """Return the shares of the generic verifier, over queries that are no entry themselves."""
    places, some = fresh(twins)
    chosen = asked.at(places)
    seen = ours.Bundle(known, seed=0).see(chosen)
    confidence = ours.confidences(ours.logits_of(ours.trees_without(left_out), seen.x), seen.answers)
    is_right = seen.answers == chosen.groups
    return {f"ours {least:.2f}": shares(confidence >= least, is_right, some) for least in CONFIDENCES}


def fresh(twins: Twins, most: int = 0) -> tuple[Indices, Twins]:
    """Return the queries that are no entry themselves, or a sample of them."""
    chosen = np.flatnonzero(np.array(twins.skip) < 0)
    if most:
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:most])
    return chosen, Twins((), (), (), (), (), twins.is_trap[chosen], twins.is_wish[chosen])


def _best(found: Found, twins: Twins, most: float) -> dict[str, Any]:
    """Return the wishes served by the best threshold that serves at most a share of the traps wrong."""
    row: dict[str, Any] = {"traps_served": most}
    for name, values in (("cosine", found.score), ("margin", found.margin)):
        traps = np.sort(np.where(twins.is_trap & ~found.is_right, values, -np.inf)[twins.is_trap])
        n_allowed = int(most * len(traps))
        floor = traps[len(traps) - n_allowed - 1] if n_allowed < len(traps) else -NOTHING_SERVED
        row[name] = shares(values > floor, found.is_right, twins)["wishes_served"]
    return row


def _gptcache(python: Path, known: Labelled, asked: Labelled, twins: Twins) -> dict[str, Any]:
    """Ask GPTCache, which cannot be told to skip an entry: queries that are themselves an entry are left out."""
    chosen, some = fresh(twins, MAX_GPTCACHE)
    if not len(chosen):
        return {"n": 0, "traps_served": None, "wishes_served": None}
    answers = gptcache_baseline.ask(python, known, asked.at(chosen))
    return {"n": len(chosen), **shares(answers.is_served, answers.is_right, some)}


def labelled_twins(name: str, twins: Twins, vectors: Vectors) -> tuple[Labelled, Labelled]:
    """Return entries and queries with their vectors, and groups and namespaces as numbers."""
    texts = [text for _, text in (*twins.entries, *twins.queries)]
    rows = vectors.of(name, texts)
    names: dict[str, int] = {}
    contexts = np.array([names.setdefault(name, len(names)) for name, _ in (*twins.entries, *twins.queries)], np.int64)
    groups = np.array([*twins.entry_groups, *twins.query_groups], np.int64)
    n = len(twins.entries)
    return (
        Labelled(tuple(texts[:n]), rows[:n], groups[:n], contexts[:n]),
        Labelled(tuple(texts[n:]), rows[n:], groups[n:], contexts[n:]),
    )
