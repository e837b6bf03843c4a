"""What a lint of corpora finds: the values that it returns, and nothing that finds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from semcache.build.written import WrittenText

Severity = Literal["error", "warning", "note"]
"""error: a lookup is likely to serve a wrong answer. warning: it may. note: an answer is found less often."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class FindingKind(StrEnum):
    """Kinds of findings, in the order in which they are listed."""

    SAME_VECTOR = "same-vector"
    """Texts of two answers that the encoder cannot tell apart."""
    COLLISION = "collision"
    """Two entries so near that a text of one may be served the answer of the other."""
    WRONG = "wrong"
    """A text that would be served another entry's answer, were it not in the corpus itself."""
    MISPLACED = "misplaced"
    """A text that looks like another entry's."""
    REJECT_PARAPHRASE = "reject-paraphrase"
    """A reject that is an ordinary paraphrase of its entry."""
    REJECT_FAR = "reject-far"
    """A reject so far from its entry that it guards nothing."""
    MISSED = "missed"
    """An entry that none of its texts would lead to, each asked as if it were not in the corpus."""
    ISOLATED = "isolated"
    """An entry with a single text, or a text far from all others of its answer."""
    NOT_EMBEDDED = "not-embedded"
    """A text that the encoder does not take: only its very words are found."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind, severity: what, and how bad.
        texts: the text at fault first, then what it was held against.
        numbers: by name. `score`, `own_score`, `other_score`: cosines, -1 to 1, of the first text to the second, to
            the nearest one of its own answer, and to the third. `lead`: 0 to 2, how much nearer the other answer is.
            `confidence`: 0 to 1, of the generic verifier in the wrong answer. `max_error`: share, the strictest
            generic level that serves it. `n_*`, `max_tokens`: counts.
        differs: what tells the first two texts apart by their words (`core.differences`); empty for nothing, None
            where that is not what they were compared by.
        suggestion: what to do.
        rank: higher is worse, among findings of one kind and severity.
    """

    kind: FindingKind
    severity: Severity
    texts: tuple[WrittenText, ...]
    suggestion: str
    numbers: dict[str, float]
    rank: float
    differs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LeftOutCount:
    """What became of the corpus's own texts, each asked as if it were not in it, at a level of the generic verifier.

    Attributes:
        max_error: of the level, a share.
        threshold: its least confidence, 0 to 1.
        n_right, n_wrong, n_missed: texts served their own answer, another one, none.
    """

    max_error: float
    threshold: float
    n_right: int
    n_wrong: int
    n_missed: int


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was looked at and what was found.

    Attributes:
        n_entries, n_variants, n_guards: what was looked at.
        left_out: one for each level of the generic verifier that is certified, strictest first.
        findings: by kind, then severity, then the worst first.
    """

    n_entries: int
    n_variants: int
    n_guards: int
    left_out: tuple[LeftOutCount, ...]
    findings: tuple[Finding, ...]

    def of(self, kind: FindingKind) -> list[Finding]:
        """Return the findings of a kind."""
        return [finding for finding in self.findings if finding.kind is kind]
