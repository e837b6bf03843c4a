"""Takes texts out of corpora and sets, so that a bundle of the rest can be asked them. Pure: the seed decides.

What is asked is never indexed: neither as a variant nor as a reject, and a text that must miss has no other wording of
its entry in the corpus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.splits import SetUp, draw
from eval.texts import Item
from semcache.core.text import normalise

Line = dict[str, Any]
"""A line of a corpus, or of labelled queries."""

LEFT_OUT = ", must miss"
"""Ends the kind of a query without a right answer; the kind of others is the namespace they are meant for."""
_OUTSIDE = 0.25
_ASKED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A bundle to be built and asked.

    Attributes:
        corpora: entries that it is built from, by the name of their file.
        asked: labelled queries to evaluate it on.
        traffic: other labelled queries, which a build may take; empty where there are none.
    """

    corpora: Mapping[str, Sequence[Line]]
    asked: Sequence[Line]
    traffic: Sequence[Line] = ()

    def n_asked(self, namespace: str) -> int:
        """Return how many queries are meant for a namespace."""
        return sum(line["kind"].removesuffix(LEFT_OUT) == namespace for line in self.asked)

    def n_to_miss(self, namespace: str) -> int:
        """Return how many of them have no right answer."""
        return sum(line["kind"] == namespace + LEFT_OUT for line in self.asked)


def of_corpora(corpora: Mapping[str, Sequence[Line]], *, seed: int) -> HeldOut:
    """Leave one text of every entry out that has several; of a quarter of them all texts, so that one must miss."""
    kept: dict[str, list[Line]] = {}
    asked: list[Line] = []
    for name, entries in corpora.items():
        rng = np.random.default_rng([seed, len(entries)])
        kept[name] = []
        for entry in entries:
            texts = [entry["query"], *entry.get("paraphrases", ())]
            if len(texts) == 1:
                kept[name].append(entry)
                continue
            place, is_outside = int(rng.integers(len(texts))), bool(rng.random() < _OUTSIDE)
            asked.append(_query(texts.pop(place), None if is_outside else entry["id"], entry["namespace"]))
            if not is_outside:
                kept[name].append({**entry, "query": texts[0], "paraphrases": texts[1:]})
    texts_asked = {normalise(query["text"]) for query in asked}
    return HeldOut({name: [_without(entry, texts_asked) for entry in entries] for name, entries in kept.items()}, asked)


def of_set(items: Sequence[Item], set_up: SetUp, *, outside: Sequence[str] = (), most: int, seed: int) -> HeldOut:
    """Index the known phrasings of a set-up; half of its queries are traffic, the others are asked.

    Args:
        items: of the set.
        set_up: which of them are known.
        outside: more texts that must miss.
        most: queries at most.
        seed: of every draw.
    """
    drawn = draw(items, set_up, seed=seed)
    texts: dict[str, list[str]] = defaultdict(list)
    for item in drawn.known:
        texts[item.group].append(item.text)
    entries = [
        {
            "id": group,
            "namespace": set_up.folder,
            "query": own[0],
            "paraphrases": own[1:],
            "answer": f"answer of {group}",
        }
        for group, own in texts.items()
    ]
    asked = [_query(item.text, item.group if item.group in texts else None, set_up.folder) for item in drawn.queries]
    asked += [_query(text, None, set_up.folder) for text in outside]
    order = np.random.default_rng([seed, 3]).permutation(len(asked))[:most]
    n_traffic = round(len(order) * (1 - _ASKED_SHARE))
    chosen = [asked[i] for i in order.tolist()]
    return HeldOut({set_up.folder: entries}, chosen[n_traffic:], chosen[:n_traffic])


def _query(text: str, entry_id: str | None, namespace: str) -> Line:
    return {"text": text, "entry_id": entry_id, "kind": namespace + (LEFT_OUT if entry_id is None else "")}


def _without(entry: Line, texts: set[str]) -> Line:
    """Return an entry whose rejects are none of the texts: one that is asked elsewhere would be known from here."""
    if "rejects" not in entry:
        return entry
    return {**entry, "rejects": [text for text in entry["rejects"] if normalise(text) not in texts]}
