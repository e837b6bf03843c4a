"""The values that cross the public interface. Frozen, without behaviour beyond reading them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import orjson


class Kind(StrEnum):
    """How a hit was found."""

    EXACT = "exact"
    SEMANTIC = "semantic"


class Reason(StrEnum):
    """Why a lookup missed."""

    EMPTY = "empty"
    """The text holds no word once it is normalised."""
    INVALID_TEXT = "invalid_text"
    """The text is not valid Unicode (an unpaired surrogate)."""
    NO_NAMESPACE = "no_namespace"
    """The bundle has no such namespace."""
    AMBIGUOUS = "ambiguous"
    """The very same text has different answers in several namespaces: name one."""
    TOO_LONG = "too_long"
    """The text does not fit the encoder's window; embedding it cut off would be unsafe."""
    UNKNOWN_WORD = "unknown_word"
    """The text holds a word that the encoder cannot tell from other unknown words (an emoji, a long code)."""
    GUARD = "guard"
    """The nearest text is a guard: known to be close, known not to have this answer."""
    BELOW_THRESHOLD = "below_threshold"
    """The best score is under the threshold."""
    BELOW_MARGIN = "below_margin"
    """The best score is too close to that of a different answer."""
    EXPIRED = "expired"
    """The nearest entry's valid_until has passed."""
    UNCERTIFIED = "uncertified"
    """The bundle carries no certificate for the error the caller accepts."""


class VariantKind(StrEnum):
    """Where an indexed text comes from."""

    QUERY = "query"
    PARAPHRASE = "paraphrase"
    GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One row near a query.

    Attributes:
        row: position in the index.
        score: cosine similarity, -1 to 1, higher is closer.
        entry_id: the entry the row belongs to; for a guard, the entry it protects.
        kind: where the row's text comes from.
        variant: the row's text.
        namespace: the entry's namespace.
    """

    row: int
    score: float
    entry_id: str
    kind: VariantKind
    variant: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored answer that may be served.

    Attributes:
        entry_id: the corpus entry that answers.
        value: the answer's bytes, read-only; a view into the mapped values.mdb where the value is stored
            raw. It stays readable for as long as it is held, after close() and refresh() too.
        value_type: "text" (UTF-8) or "json".
        kind: exact or semantic.
        score: cosine similarity to the matched variant, -1 to 1; 1.0 for an exact hit.
        confidence: probability that serving this entry is right, 0 to 1; None where the bundle has no verifier.
        threshold: what the score had to reach; None for an exact hit.
        variant: the indexed text that matched.
        namespace: the entry's namespace.
        bundle_id: the version that answered.
        metadata_json: the entry's tags, source, licence and x_ fields, as JSON bytes.
    """

    entry_id: str
    value: memoryview
    value_type: Literal["text", "json"]
    kind: Kind
    score: float
    confidence: float | None
    threshold: float | None
    variant: str
    namespace: str
    bundle_id: str
    metadata_json: bytes

    @property
    def hit(self) -> Literal[True]:
        """True: tells a Hit from a Miss without isinstance."""
        return True

    @property
    def text(self) -> str:
        """The answer as text (of a JSON answer, its JSON text)."""
        return str(self.value, "utf-8")

    def json(self) -> Any:
        """The answer as a Python object: a string for a text answer, the parsed JSON otherwise."""
        return self.text if self.value_type == "text" else orjson.loads(self.value)

    @property
    def metadata(self) -> dict[str, Any]:
        """The entry's tags, source, licence and x_ fields."""
        parsed: dict[str, Any] = orjson.loads(self.metadata_json)
        return parsed


@dataclass(frozen=True, slots=True)
class Miss:
    """No answer may be served, and why.

    Attributes:
        reason: see `Reason`.
        score: the best score seen, -1 to 1; None where nothing was searched.
        nearest: the nearest row; None where nothing was searched.
        bundle_id: the version that was asked.
        detail: one sentence for a person.
    """

    reason: Reason
    score: float | None
    nearest: Neighbour | None
    bundle_id: str
    detail: str

    @property
    def hit(self) -> Literal[False]:
        """False: tells a Miss from a Hit without isinstance."""
        return False


Result = Hit | Miss


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that a lookup looked at.

    Attributes:
        text, normalised: the query as given, and as it was matched exactly.
        n_tokens: length for the encoder; None where the text was not tokenised.
        max_tokens: the encoder's window.
        neighbours: the nearest rows, best first.
        margin: best score minus that of the best different answer; None where there is no neighbour.
        rival: position of that different answer in `neighbours`; None where it is not among them.
        threshold, min_margin: what the bundle asks for.
        result: what lookup returns for this text.
        changes: what would have to change for a hit, one sentence each; empty for a hit.
    """

    text: str
    normalised: str
    n_tokens: int | None
    max_tokens: int
    neighbours: tuple[Neighbour, ...]
    margin: float | None
    rival: int | None
    threshold: float
    min_margin: float
    result: Result
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a corpus: an answer and the texts that ask for it.

    Attributes:
        id: unique within a build.
        query: the canonical question.
        answer: the answer's bytes, UTF-8.
        answer_type: "text", or "json" where the corpus gave anything but a string.
        paraphrases: other texts with the same answer.
        rejects: texts that are close and must not get this answer; they become guards.
        namespace: lookups can be limited to one.
        valid_until: Unix time in seconds (UTC) after which the entry misses; None for never.
        metadata: tags, source, licence and every x_ field.
    """

    id: str
    query: str
    answer: bytes
    answer_type: Literal["text", "json"]
    paraphrases: tuple[str, ...]
    rejects: tuple[str, ...]
    namespace: str
    valid_until: int | None
    metadata: dict[str, Any]
