"""One line of a candidates file: an entry that traffic asks for, and that nobody has answered or reviewed yet.

Source: docs/harvest.md, "A candidate".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from semcache.core.text import exact_key, normalise

CANDIDATES_SUFFIX = ".candidates.jsonl"
REVIEWED, DECLINED, PARAPHRASE_OF = "x_reviewed", "x_declined", "x_paraphrase_of"
HARVESTED_FIELDS = frozenset({"x_count", "x_first_seen", "x_last_seen", "x_nearest", PARAPHRASE_OF, DECLINED})
"""What a line says for its reader, and no corpus needs."""


@dataclass(frozen=True, slots=True)
class NearestEntry:
    """The entry that is nearest to a candidate: id, its text that is near, and the cosine of the two."""

    entry_id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class CandidateEntry:
    """A question that was missed often enough.

    Attributes:
        query: the text nearest to all others of its group.
        paraphrases: the others, those asked most often first.
        namespace: where it was asked for, or the only one that there is; None for everywhere.
        count: lookups.
        first_seen, last_seen: RFC 3339, UTC.
        nearest: None where nothing could be searched.
        is_paraphrase: whether it rather is a paraphrase of the nearest entry than an entry of its own.
    """

    query: str
    paraphrases: tuple[str, ...]
    namespace: str | None
    count: int
    first_seen: str
    last_seen: str
    nearest: NearestEntry | None
    is_paraphrase: bool

    @property
    def id(self) -> str:
        """The same for the same question in the same namespace."""
        asked = f"{self.namespace or ''}:{normalise(self.query)}"
        return f"harvested/{exact_key(asked).hex()[:16]}"

    def document(self) -> dict[str, Any]:
        """Return the line as a JSON object: what a person fills in stands first."""
        asks: dict[str, Any] = {REVIEWED: False, "id": self.id, "query": self.query, "answer": None}
        if self.is_paraphrase and self.nearest is not None:
            asks = {REVIEWED: False, PARAPHRASE_OF: self.nearest.entry_id, "id": self.id, "query": self.query}
        if self.namespace is not None:
            asks["namespace"] = self.namespace
        nearest = self.nearest
        return {
            **asks,
            "paraphrases": list(self.paraphrases),
            "x_count": self.count,
            "x_first_seen": self.first_seen,
            "x_last_seen": self.last_seen,
            "x_nearest": nearest and {"entry_id": nearest.entry_id, "text": nearest.text, "score": nearest.score},
        }


def candidate_problems(document: Any) -> Iterator[str]:
    """Yield what keeps a line from being a candidate, as `field: what was found, what is allowed`."""
    if not isinstance(document, dict):
        yield "line: allowed a JSON object"
        return
    for name in ("id", "query"):
        if not isinstance(document.get(name), str) or not normalise(document[name]):
            yield f"{name}: found {document.get(name)!r:.60}, allowed text with a word in it"
    others = document.get("paraphrases", [])
    if not isinstance(others, list) or not all(isinstance(text, str) for text in others):
        yield f"paraphrases: found {others!r:.60}, allowed a list of texts"
    for name in (REVIEWED, DECLINED):
        if not isinstance(document.get(name, False), bool):
            yield f"{name}: found {document[name]!r:.60}, allowed true or false"
    if not isinstance(document.get(PARAPHRASE_OF, ""), str):
        yield f"{PARAPHRASE_OF}: found {document[PARAPHRASE_OF]!r:.60}, allowed the id of an entry"
    if is_accepted(document) and not (has_answer(document) or document.get(PARAPHRASE_OF)):
        yield f"answer: found nothing in a reviewed line, allowed an answer, {PARAPHRASE_OF}, or {DECLINED}: true"


def has_answer(document: dict[str, Any]) -> bool:
    """Whether somebody wrote an answer."""
    return document.get("answer") not in (None, "")


def is_declined(document: dict[str, Any]) -> bool:
    """Whether somebody does not want it: neither now nor in a later harvest."""
    return document.get(DECLINED) is True


def is_accepted(document: dict[str, Any]) -> bool:
    """Whether it may go into a corpus: reviewed, and not declined."""
    return document.get(REVIEWED) is True and not is_declined(document)


def is_touched(document: dict[str, Any]) -> bool:
    """Whether somebody decided or answered something: then no harvest changes the line."""
    return has_answer(document) or document.get(REVIEWED) is True or is_declined(document)


def texts_of(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the texts that ask for it."""
    return (document["query"], *document.get("paraphrases", ()))
