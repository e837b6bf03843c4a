"""Paraphrases of a text by rule: no model, no network, and for one seed always the same ones.

What a rule yields has the meaning of its text as far as words can show. Which rules are worth their rows was
measured: docs/augmentation.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from semcache.core.rewrite_forms import forms, keywords
from semcache.core.rewrite_surface import contractions, typos, wraps
from semcache.core.rewrite_synonyms import exchanged
from semcache.core.text import normalise

_T = TypeVar("_T")

FAMILIES = ("form", "keyword", "synonym", "contraction", "chat", "typo")
"""Every family of rules; the order is the one in which they take turns."""
MAX_CHARS = 400
"""A longer text is no question: it is left alone."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A paraphrase by rule.

    Attributes:
        text: the paraphrase.
        rule: family and rule, such as "form:how_to".
    """

    text: str
    rule: str


def rewrites(text: str, *, limit: int, families: Iterable[str] = FAMILIES, seed: int = 0) -> tuple[Rewrite, ...]:
    """Return up to `limit` paraphrases of a text, best first.

    The families take turns, so that few variants already differ in kind. None equals the text, or another one,
    once normalised.

    Args:
        text: one question or order.
        limit: most paraphrases. 0 or more.
        families: which of `FAMILIES` to use.
        seed: of the typing errors.
    """
    if len(text) > MAX_CHARS:
        return ()
    own = {normalise(text), ""}
    lists = [[rule for rule in _RULES[family](text, seed) if normalise(rule[1]) not in own] for family in families]
    found = _distinct([Rewrite(variant, rule) for rule, variant in _in_turn(*lists)], lambda rewrite: rewrite.text)
    return tuple(found[:limit])


def rewrites_of_entry(
    texts: Iterable[str], *, limit: int, families: Iterable[str] = FAMILIES, seed: int = 0
) -> tuple[tuple[str, Rewrite], ...]:
    """Return up to `limit` paraphrases of an entry's texts, each with the text it was made of.

    The texts take turns too: the best paraphrase of each comes before the second-best of any.
    """
    texts, families = tuple(texts), tuple(families)
    own = {normalise(text) for text in texts}
    lists = [
        [(text, rewrite) for rewrite in rewrites(text, limit=limit + len(own), families=families, seed=seed)]
        for text in texts
    ]
    fresh = [[item for item in of_text if normalise(item[1].text) not in own] for of_text in lists]
    return tuple(_distinct(list(_in_turn(*fresh)), lambda item: item[1].text)[:limit])


def _in_turn(*lists: Iterable[_T]) -> Iterator[_T]:
    for turn in zip_longest(*lists):
        yield from (item for item in turn if item is not None)


def _distinct(items: list[_T], text_of: Callable[[_T], str]) -> list[_T]:
    """Return the items whose text does not stand before them already."""
    first: dict[str, _T] = {}
    for item in items:
        first.setdefault(normalise(text_of(item)), item)
    return list(first.values())


def _keywords(text: str) -> Iterator[tuple[str, str]]:
    kept = keywords(text)
    if kept is not None:
        yield "keyword:content", kept


_RULES: dict[str, Callable[[str, int], Iterator[tuple[str, str]]]] = {
    "form": lambda text, _: forms(text),
    "keyword": lambda text, _: _keywords(text),
    "synonym": lambda text, _: exchanged(text),
    "contraction": lambda text, _: contractions(text),
    "chat": lambda text, _: wraps(text),
    "typo": lambda text, seed: typos(text, seed=seed),
}
