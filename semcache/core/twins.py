"""Twins of a text, by rule: texts that look nearly like it and must not get its answer.

They are for fitting and testing a verifier, so that it does not learn that nearly equal is equal; `harmless` makes
their counterpart. Rules are applied only where they give an ordinary, really different question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from semcache.core import twin_words as tables
from semcache.core.harmless import SAME_KINDS, harmless
from semcache.core.inflect import gerund
from semcache.core.lexicon import FUNCTION_WORDS, VERBS
from semcache.core.rewording import Rule, Source, Twin, reworded
from semcache.core.twin_measures import date, number, unit, version

__all__ = ["KINDS", "SAME_KINDS", "Twin", "harmless", "twins"]

_BE = (
    r"(?P<be>that|which|who) (?P<verb>is|are|was|were|can|could|should|must|will|have(?= been)|has(?= been)) "
    r"(?!not\b|n't)"
)
_PARTICIPLES = (
    r"\b(containing|starting with|ending with|ending in|beginning with|matching|including|belonging to|owned by"
    r"|named)\b"
)
_RELATIVE = r"\b(that|which|who) (contain|start|end|begin|match|belong|include|exist|work|appear)\b"
_WITH = r"(?<=\w )\bwith(?= (?!respect|regard|the help|each|which|how)[a-zA-Z`\"'])"
_NEGATED = (
    (r"\b(that|which|who|they|you|we|i) do(?: not|n't) (\w+)", r"\1 \2"),
    (r"\b(is|are|was|were|can|should|must|will|could)(?: not|n't)\b", r"\1"),
    (r"\b(?:not) (containing|starting|ending|beginning|matching|including|belonging|owned|named|in|empty)\b", r"\1"),
    (r"\bwithout using\b", "using"),
    (r"\bwithout(?= (?:a|an|the|any|my) | [A-Z`])", "with"),
)


def _negation(source: Source) -> Iterator[str]:
    text = source.text
    negated = [other for pattern, put in _NEGATED for other in source.sub(pattern, put)]
    yield from negated
    if negated or re.search(r"\b(?:not|no|never|without|except|cannot)\b|n't\b", source.low):
        return
    positive = [
        *source.sub(_BE, r"\g<be> \g<verb> not "),
        *source.sub(_PARTICIPLES, r"not \1"),
        *source.sub(_RELATIVE, r"\1 do not \2"),
        *source.sub(_WITH, "without"),
    ]
    yield from positive
    verb = source.verb()
    if positive or verb is None:
        return
    base = verb[0].lower()
    if source.opening:
        yield text[: verb.start()] + "avoid " + gerund(base) + text[verb.end() :]
    elif verb[0] == base or verb[0] == base.capitalize():
        never = "Never " if verb[0][0].isupper() else "never "
        yield text[: verb.start()] + never + base + text[verb.end() :]


def _antonym(source: Source) -> Iterator[str]:
    verb = source.verb()
    for word in source.words:
        low = word[0].lower()
        other = tables.WORD_SWAPS.get(low)
        if other is not None and not re.search(rf"\b{other}\b", source.low):
            yield source.with_word(word, other)
        swap = tables.VERB_SWAPS.get(low)
        if swap is not None and (word is verb or _is_verb_place(source, word)):
            yield _turned(source, word, swap)


def _is_verb_place(source: Source, word: re.Match[str]) -> bool:
    """Say whether a word stands where a verb does: behind "to", "and", "not to", or with -ing at the start."""
    before = source.low[: word.start()].split()
    if not before:
        return word[0].lower().endswith("ing")
    if before[-1] in {"i", "we", "you", "then", "can", "cannot", "don't"}:
        return True
    return (
        before[-1] == "to"
        and len(before) > 1
        and before[-2] in {"how", "want", "need", "way", "like", "trying", "users"}
    )


def _turned(source: Source, word: re.Match[str], swap: tuple[str, str, str]) -> str:
    """Put the opposite verb; where it needs it, what was added to is now removed from."""
    other, left, right = swap
    text = source.with_word(word, other)
    if left in tables.TURNING and right in tables.TURNING:
        end = word.start() + len(other)
        turned = re.sub(
            r"\b(to|into|from)\b", lambda found: "to" if found[0] == "from" else "from", text[end:], count=1
        )
        return text[:end] + turned
    return text


_PYTHON_ONLY = re.compile(
    r"\b(?:pandas|numpy|django|flask|matplotlib|dataframe|scipy|tkinter|tuple|beautifulsoup|pip|virtualenv)\b"
)


def _name(source: Source) -> Iterator[str]:
    for word in source.words:
        others = tables.NAME_GROUPS.get(word[0].lower())
        if others and not (word[0].lower() == "python" and _PYTHON_ONLY.search(source.low)):
            other = source.pick(others[:6], word[0])
            spelt = tables.SPELLED.get(other, other.capitalize())
            if f" {other} " not in f" {source.low} ":
                yield source.text[: word.start()] + (other if word[0].islower() else spelt) + source.text[word.end() :]
    for found in re.finditer(
        r"(?<=\w)(?<!next)(?<!node)(?<!vue)(?<!express)(?<!three)(?<!nuxt)(?<!alpine)(?<!d3)\.([a-z][a-z0-9]{0,4})(?=[\s,;'\"`?)]|\.?$)|(?<=\*)\.([a-z][a-z0-9]{0,4})\b",
        source.text,
    ):
        ending = found[1] or found[2]
        other_ending = tables.OTHER_ENDINGS.get(ending)
        if other_ending:
            changed = re.sub(rf"\.{ending}\b", f".{other_ending}", source.text)
            yield changed
    for found in re.finditer(r"(?<![\w`'\"])([`'\"])([A-Za-z_][A-Za-z_0-9]*)\1(?!\w)", source.text):
        if found[2].lower() not in FUNCTION_WORDS and found[2] != "done":
            yield _renamed(source.text, found[2], source)


def _renamed(text: str, name: str, source: Source) -> str:
    """Give an identifier another name wherever it stands."""
    others = [
        other for other in ("value", "backup", "result", "items", "main_dir", "x2", "target") if other not in text
    ]
    other = source.pick(others, name) if others else name + "_2"
    return re.sub(rf"(?<![\w]){re.escape(name)}(?![\w])", other, text)


_BREAKS = (
    "to|from|into|in|with|using|for|and|on|as|by|of|or|at|that|which|if|via|through|without|when|while|where|so|then|but"
    "|after|before|over|under|excluding|recursively"
)
_PART = r"[\w.*/'\"`$~%-]+"
_PHRASE = rf"((?:(?:a|an|the|my|our|all|one|another|your|its) )?{_PART}(?: (?!(?:{_BREAKS})\b){_PART}){{0,2}})"
_ENDS = (
    r"(?<![.,])(?=\s*(?:[?.!,;](?:\s|$)|$)"
    r"|\s+(?:in|with|using|for|and|on|as|via|without|when|while|if|where|so|then|over|by|that|which|under|excluding|recursively)\b)"
)
_TURNED = (
    "convert|converting|converts|copy|copying|copies|move|moving|moves|migrate|migrating|translate|transform|rename"
    "|renaming|turn|merge|merging|port|sync|synchronize|transfer"
)
_SWAPPED = (
    rf"(?P<a>\bfrom ){_PHRASE}(?P<b> (?:to|into) ){_PHRASE}{_ENDS}",
    rf"(?P<a>\b(?:{_TURNED}) ){_PHRASE}(?P<b> (?:to|into|onto) ){_PHRASE}{_ENDS}",
    rf"(?P<a>\b(?:replace|replacing|replaces|substitute) ){_PHRASE}(?P<b> (?:with|by|for) ){_PHRASE}{_ENDS}",
    rf"(?P<a>\bsubtract ){_PHRASE}(?P<b> from ){_PHRASE}{_ENDS}",
    rf"(?P<a>\b(?:divide|multiply) ){_PHRASE}(?P<b> by ){_PHRASE}{_ENDS}",
    rf"(?P<a>\b(?:insert|nest|rebase) ){_PHRASE}(?P<b> (?:before|after|inside|onto|into) ){_PHRASE}{_ENDS}",
    rf"(?P<a>)\b([\w`'\"-]+(?<!ed))(?P<b> (?:instead of|rather than) )([\w`'\"-]+){_ENDS}",
)


def _direction(source: Source) -> Iterator[str]:
    for pattern in _SWAPPED:
        for found in re.finditer(pattern, source.text, re.IGNORECASE):
            _, left, _, right = found.groups()
            if left.lower() == right.lower() or _is_fixed(left) or _is_fixed(right):
                continue
            if right.split()[0].lower() in VERBS and " " in right and found["b"].strip().lower() == "to":
                continue
            yield source.text[: found.start()] + found["a"] + right + found["b"] + left + source.text[found.end() :]


_FIXED = frozenset(
    {
        *(
            "it",
            "its",
            "them",
            "their",
            "this",
            "that",
            "these",
            "those",
            "me",
            "us",
            "each",
            "i",
            "there",
            "his",
            "her",
        ),
        *("permission", "permissions", "mode"),
    }
)


def _is_fixed(phrase: str) -> bool:
    """Say whether a phrase cannot change places: pronouns, and numbers alone."""
    words = phrase.lower().split()
    return not _FIXED.isdisjoint(words) or (len(words) == 1 and words[0].isdigit())


_PLURALS = "files|directories|folders|lines|processes|users|rows|columns|links|elements|items|words|keys"
_SINGULARS = "file|line|directory|folder|row|user|column|element|item|word|key|branch|test|process"
_QUANTITIES = (
    (r"\bat least\b", "at most"),
    (r"\bat most\b", "at least"),
    (r"\b(?:more|greater|larger|bigger) than\b", "less than"),
    (r"\b(?:less|fewer|smaller) than\b", "more than"),
    (r"\bolder than\b", "newer than"),
    (r"\bnewer than\b", "older than"),
    (r"\bthe first\b(?! time)", "the last"),
    (r"\b(the|my) last\b(?!(?: [\w*.]+)? (?:second|minute|hour|day|week|month|year|time)s?\b)", r"\1 first"),
    (r"\bonly the\b", "all but the"),
    (r"\bexactly\b(?= \w+)", "at least"),
    (r"\ball (?:of )?the (?=\w+s\b)", "only one of the "),
    (rf"\ball (?=(?:(?!the |of )[a-z.*\"'`]+ )?(?:{_PLURALS})\b)", "only one of the "),
    (rf"\b(?:each|every) (?=(?:{_SINGULARS})\b)", "only the first "),
    (r"\beveryone\b", "only one person"),
    (r"\ba single\b", "every"),
    (r"\bmultiple (?=\w+s\b)", "exactly two "),
    (r"\bup to\b(?= \d)", "more than"),
    (r"\bboth (?=\w+ and)", "neither "),
)


def _quantifier(source: Source) -> Iterator[str]:
    for pattern, put in _QUANTITIES:
        yield from source.sub(pattern, put)


def _condition(source: Source) -> Iterator[str]:
    """Add a condition to what is to be done; a question about what something is would hardly change."""
    if not source.opening and source.verb() is None:
        return
    if len(source.words) < 3 or re.search(r"\bonly\b|\bwithout\b|\bif\b|\bexcept\b|[:|]|\.\s+\w", source.low):
        return
    words = {word[0].lower() for word in source.words}
    for cues, conditions in tables.CONDITIONS:
        if cues.isdisjoint(words) and cues:
            continue
        for condition in conditions:
            if words.isdisjoint(set(condition.split()) - FUNCTION_WORDS):
                yield source.ending(condition)
        return


_RULES: dict[str, Rule] = {
    "negation": _negation,
    "antonym": _antonym,
    "number": number,
    "date": date,
    "unit": unit,
    "version": version,
    "name": _name,
    "direction": _direction,
    "quantifier": _quantifier,
    "condition": _condition,
}
KINDS: tuple[str, ...] = tuple(_RULES)
"""What is changed to make a twin."""


def twins(text: str, *, seed: int) -> list[Twin]:
    """Return texts that look nearly like this one and must not get its answer: at most one of each of `KINDS`.

    Args:
        text: an ordinary question or command, in English; one of more than 400 characters has no twins.
        seed: any number; chooses among several changes of a kind.
    """
    return reworded(text, _RULES, seed=seed)
