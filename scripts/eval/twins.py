"""Near twins: pairs of texts that look alike, where a hit is wanted (label 1) or false (label 0). Pure.

The cache holds every `a`; every `b` is asked, and does not find itself. Texts joined by label-1 pairs have one answer.
A trap is a `b` with a label-0 pair, a wish a `b` with a label-1 pair (one may be both): a hit is false where the
found entry's answer is not the asked text's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.retrieval import Bools
from eval.texts import Pair
from semcache.core.text import normalise


@dataclass(frozen=True, slots=True)
class Twins:
    """Entries and queries of a set of pairs; a text is (context, text).

    Attributes:
        entries: what the cache holds, with the number of its answer.
        queries: what is asked, with the number of its answer (maybe of no entry).
        skip: of each query the entry that is the same text, or -1.
        is_trap: whether a label-0 pair asks it.
        is_wish: whether a label-1 pair asks it.
    """

    entries: tuple[tuple[str, str], ...]
    entry_groups: tuple[int, ...]
    queries: tuple[tuple[str, str], ...]
    query_groups: tuple[int, ...]
    skip: tuple[int, ...]
    is_trap: Bools
    is_wish: Bools


def sample_pairs(pairs: Sequence[Pair], *, most: int) -> list[Pair]:
    """Return at most so many pairs of each label, the same ones every time."""
    chosen: list[int] = []
    for label in (0, 1):
        places = np.flatnonzero([pair.label == label for pair in pairs])
        chosen += np.random.default_rng(0).permutation(places)[:most].tolist()
    return [pairs[i] for i in sorted(chosen)]


def as_twins(pairs: Sequence[Pair]) -> Twins:
    """Build entries and queries of labelled pairs."""
    find = _joined(pairs)
    entries = list(dict.fromkeys((pair.context, pair.a) for pair in pairs))
    queries = list(dict.fromkeys((pair.context, pair.b) for pair in pairs))
    place = {(context, normalise(text)): i for i, (context, text) in enumerate(entries)}
    asked = [{(pair.context, pair.b) for pair in pairs if pair.label == label} for label in (0, 1)]
    return Twins(
        tuple(entries),
        tuple(find[_key(*entry)] for entry in entries),
        tuple(queries),
        tuple(find[_key(*query)] for query in queries),
        tuple(place.get(_key(*query), -1) for query in queries),
        np.array([query in asked[0] for query in queries]),
        np.array([query in asked[1] for query in queries]),
    )


def _key(context: str, text: str) -> tuple[str, str]:
    return context, normalise(text)


def _joined(pairs: Sequence[Pair]) -> dict[tuple[str, str], int]:
    """Return the number of each text's answer: texts joined by label-1 pairs share one."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for pair in pairs:
        first, second = root(_key(pair.context, pair.a)), root(_key(pair.context, pair.b))
        if pair.label == 1:
            parent[first] = second
    numbers: dict[tuple[str, str], int] = {}
    return {key: numbers.setdefault(root(key), len(numbers)) for key in list(parent)}
