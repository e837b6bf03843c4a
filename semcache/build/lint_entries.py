"""Finds what an entry does to itself: texts that do not lead to it, rejects that guard nothing or too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from semcache.build.findings import Finding, FindingKind
from semcache.build.left_out import Answered, LeftOut
from semcache.build.written import WrittenRows
from semcache.core.differences import differences
from semcache.core.lexical import analyse
from semcache.embed.base import Embedder

FAR_SCORE = 0.25
"""Of the texts of speckit, 98.5 % are nearer than this to another text of their answer."""
LEAST_TEXTS = 3
"""Entries of fewer texts are not called missed: of two, a single one is left to find the other by."""

_WRITE_MORE = "write more phrasings: a single text is found by its own words and little else"
_WRITE_NEAR = "write a phrasing between this text and the others, or take it out where it asks something else"
_ORDINARY = "take it out of the rejects: it asks what the entry answers, and keeps paraphrases of it from being served"
_REPLACE = "take it out where the last text answers it, or reject one that a user could take for this entry's"
_SHORTEN = "the text has {} tokens and the encoder takes {}: shorten it"
_UNKNOWN = "a word of it is not in the encoder's vocabulary: spell it another way, or add a phrasing without it"


def not_embedded(rows: WrittenRows, embedder: Embedder) -> Iterator[Finding]:
    """Yield texts without a vector."""
    for row in np.flatnonzero(~rows.is_embedded).tolist():
        n_tokens = embedder.count_tokens(rows.texts[row].text)
        is_long = n_tokens > embedder.max_tokens
        suggestion = _SHORTEN.format(n_tokens, embedder.max_tokens) if is_long else _UNKNOWN
        numbers = {"n_tokens": float(n_tokens), "max_tokens": float(embedder.max_tokens)}
        yield Finding(FindingKind.NOT_EMBEDDED, "note", (rows.texts[row],), suggestion, numbers, float(n_tokens))


def isolated(rows: WrittenRows, left_out: LeftOut) -> Iterator[Finding]:
    """Yield the texts that are alone under their answer, and those that are far from the others."""
    for row in rows.asked():
        siblings, scores = left_out.siblings(row)
        if not len(siblings):
            yield Finding(FindingKind.ISOLATED, "note", (rows.texts[row],), _WRITE_MORE, {"n_variants": 1.0}, -1.0)
        elif scores[0] < FAR_SCORE:
            texts, score = (rows.texts[row], rows.texts[siblings[0]]), float(scores[0])
            yield Finding(FindingKind.ISOLATED, "note", texts, _WRITE_NEAR, {"score": score}, 1.0 - score)


def missed(rows: WrittenRows, asked: Sequence[Answered]) -> Iterator[Finding]:
    """Yield entries of which no text finds the answer, each asked without itself."""
    by_entry = dict[int, list[Answered]]()
    for answered in asked:
        by_entry.setdefault(int(rows.entries[answered.row]), []).append(answered)
    for answers in by_entry.values():
        n = len(answers)
        n_found = sum(answered.answer == rows.answers[answered.row] for answered in answers)
        if n < LEAST_TEXTS or n_found:
            continue
        first = answers[0].row
        numbers = {"n_variants": float(n), "n_found": 0.0, "n_guarded": float(sum(a.is_guarded for a in answers))}
        rival, suggestion = _why_missed(answers)
        yield Finding(FindingKind.MISSED, "note", (rows.texts[first], rows.texts[rival]), suggestion, numbers, float(n))


def _why_missed(answers: Sequence[Answered]) -> tuple[int, str]:
    """Return a row of what most of the texts find instead, and what to do about it."""
    rival, n_rival = Counter(answered.answer for answered in answers).most_common(1)[0]
    row = max((a for a in answers if a.answer == rival), key=lambda answered: answered.score).found_row
    if rival < 0:
        return row, f"{n_rival} of them are nearest to this reject: write phrasings that are farther from it"
    return row, "write more phrasings near its texts; " + (
        f"{n_rival} of them are nearest to this other entry: say what tells the two apart"
        if n_rival > 1
        else "each of them is nearer to some other entry"
    )


def odd_rejects(rows: WrittenRows) -> Iterator[Finding]:
    """Yield rejects whose words do not differ from a text of their entry, and those that are far from all of them."""
    answered = np.array(rows.asked(), np.int64)
    for row in np.flatnonzero((rows.entries < 0) & rows.is_embedded).tolist():
        own, scores = rows.nearest(row, answered[rows.entries[answered] == ~rows.entries[row]], n=len(answered))
        reading = analyse(rows.texts[row].text)
        same = next((r for r in own if not differences(reading, analyse(rows.texts[r].text))), None)
        if same is not None:
            pair, score = (rows.texts[row], rows.texts[same]), float(rows.vectors[row] @ rows.vectors[same])
            yield Finding(
                FindingKind.REJECT_PARAPHRASE, "warning", pair, _ORDINARY, {"score": score}, score, differs=()
            )
        elif len(scores) and scores[0] < FAR_SCORE:
            (rival,), (other_score,) = rows.nearest(row, answered)
            texts, score = (rows.texts[row], rows.texts[own[0]], rows.texts[rival]), float(scores[0])
            numbers = {"score": score, "other_score": float(other_score)}
            yield Finding(FindingKind.REJECT_FAR, "note", texts, _REPLACE, numbers, 1.0 - score)
