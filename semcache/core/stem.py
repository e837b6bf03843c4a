"""A light stemmer for English: plural, tense and a few endings. Deterministic for ever: it reaches fitted weights.

It aims at equal stems for forms of one word ("create", "creates", "created", "creating", "creation"), not at
stems that are words.
"""

from __future__ import annotations

from semcache.core.lexicon import IRREGULAR

_VOWELS = frozenset("aeiouy")
_DOUBLED = frozenset("bdgkmnprt")
_LONGEST = 40


def stem(word: str) -> str:
    """Return the stem of a lower-case word; a word with other than ASCII letters stands for itself."""
    known = IRREGULAR.get(word)
    if known is not None:
        return known if known == word else stem(known)
    if len(word) < 4 or len(word) > _LONGEST or not word.isascii() or not word.isalpha():
        return word
    return _without_e(_without_ate(_without_ending(_without_plural(word))))


def _without_plural(word: str) -> str:
    if word[-1] != "s" or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _without_ending(word: str) -> str:
    known = IRREGULAR.get(word)
    if known is not None:
        return known
    for ending, least in (("ing", 3), ("ied", 2), ("ed", 3)):
        body = word[: -len(ending)]
        if word.endswith(ending) and len(body) >= least and not _VOWELS.isdisjoint(body):
            return body + "y" if ending == "ied" else _bare(body)
    for ending, kept, least in (("ically", "ic", 4), ("ily", "y", 4), ("ly", "", 4), ("ment", "", 5)):
        if word.endswith(ending) and len(word) - len(ending) >= least:
            return word[: -len(ending)] + kept
    return word


def _bare(body: str) -> str:
    """Undo what -ing and -ed did to a verb: "stopp" to "stop", "migrat" to "migr"."""
    if len(body) > 3 and body[-1] == body[-2] and body[-1] in _DOUBLED:
        return body[:-1]
    return body[:-2] if len(body) > 5 and body.endswith("at") and body[-3] not in "eo" else body


def _without_ate(word: str) -> str:
    """Drop -ate, -ation, -ion, so that verb and noun meet."""
    if word.endswith("ification"):
        return word[:-7] + "y"
    for ending, least in (("ation", 4), ("ate", 4), ("at", 5), ("ion", 5)):
        if word.endswith(ending) and len(word) - len(ending) >= least:
            return word[: -len(ending)]
    return word


def _without_e(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word
