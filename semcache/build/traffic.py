"""Labelled queries meet the corpus: which answers are right for each, and which texts are variants already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semcache.build.fit_queries import Asked
from semcache.core.labels import EntryFacts, entry_facts, right_answers, unknown_labels
from semcache.core.text import key_of
from semcache.types import LabelledQuery


class Traffic:
    """Labelled queries, and what of the corpus concerns them; told entry by entry while it is written."""

    def __init__(self, queries: Sequence[LabelledQuery]) -> None:
        """Take the queries; a text without an exact key is one that no lookup searches for."""
        keys = [key_of(query.text) for query in queries]
        self._queries = [(query, key) for query, key in zip(queries, keys, strict=True) if key]
        self._keys = {key for key in keys if key}
        self._variants = set[tuple[bytes, str | None]]()
        self._entries: dict[str, EntryFacts] = {}

    def __bool__(self) -> bool:
        return bool(self._queries)

    def take_entry(self, entry_id: str, answer: int, metadata: Mapping[str, Any]) -> None:
        """Note the answer of an entry and the groups it belongs to."""
        if self._queries:
            self._entries[entry_id] = entry_facts(entry_id, answer, metadata)

    def take_variant(self, key: bytes, namespace: str) -> None:
        """Note a text that is indexed: whoever asks for it hits it exactly, in its namespace or in all."""
        if key in self._keys:
            self._variants |= {(key, namespace), (key, None)}

    def asked(self, namespaces: Sequence[str]) -> list[Asked]:
        """Return the queries that a lookup has to search for; one in a namespace that is not there is none.

        Args:
            namespaces: of the corpus, in the order of their numbers.
        """
        numbers: dict[str | None, int | None] = {None: None, **{name: i for i, name in enumerate(namespaces)}}
        open_queries = [
            query
            for query, key in self._queries
            if query.namespace in numbers and (key, query.namespace) not in self._variants
        ]
        right = right_answers(open_queries, self._entries)
        return [
            Asked(query.text, answers, numbers[query.namespace])
            for query, answers in zip(open_queries, right, strict=True)
        ]

    def unknown(self) -> tuple[str, ...]:
        """Return the places of labels that name no entry and no group: nothing is right for those queries either."""
        queries = [query for query, _ in self._queries]
        return unknown_labels(queries, right_answers(queries, self._entries))
