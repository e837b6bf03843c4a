"""What a label of a query stands for: which answers are right. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.types import LabelledQuery


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What tells whether an entry's answer is right.

    Attributes:
        answer: number of its answer; entries of one answer have the same.
        groups: its id, its x_group and its tags.
    """

    answer: int
    groups: frozenset[str]


def entry_facts(entry_id: str, answer: int, metadata: Mapping[str, Any]) -> EntryFacts:
    """Return the facts of an entry with these tags and x_ fields."""
    return EntryFacts(answer, frozenset((entry_id, *_names(metadata))))


def _names(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the groups that an entry's metadata names: x_group (a text or several) and tags."""
    named = metadata.get("x_group", [])
    yield from (str(name) for name in (named if isinstance(named, list) else [named]))
    yield from metadata.get("tags", [])


def right_answers(queries: Sequence[LabelledQuery], entries: Mapping[str, EntryFacts]) -> list[frozenset[int]]:
    """Return the answers that are right for each query; empty where none is."""
    of_group: dict[str, set[int]] = {}
    for facts in entries.values():
        for group in facts.groups:
            of_group.setdefault(group, set()).add(facts.answer)
    right: list[frozenset[int]] = []
    for query in queries:
        if query.group is not None:
            right.append(frozenset(of_group.get(query.group, ())))
        else:
            facts_or_none = entries.get(query.entry_id or "")
            right.append(frozenset() if facts_or_none is None else frozenset((facts_or_none.answer,)))
    return right


def unknown_labels(queries: Sequence[LabelledQuery], right: Sequence[frozenset[int]]) -> tuple[str, ...]:
    """Return the places of labels that name no entry and no group: nothing is right for those queries either.

    Args:
        queries: labelled.
        right: what `right_answers` says of each.
    """
    return tuple(
        f"{query.place}: {query.label}"
        for query, answers in zip(queries, right, strict=True)
        if not answers and not query.is_out_of_scope
    )
