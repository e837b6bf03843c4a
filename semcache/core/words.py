"""What one piece of text between spaces says: its words, each with its term and its bits.

Pieces repeat, so what was read of one is kept in a bounded table; the result is the same with and without it.
`lexical` reads the words in their order. Nothing here looks beyond one piece.
"""

from __future__ import annotations

import re
import unicodedata

from semcache.core import lexicon
from semcache.core.inflect import forms
from semcache.core.stem import stem

Word = tuple[int, str, str, str]
"""Bits, term (the stem that its synonyms share), own stem, lower-case spelling."""

FUNCTION, INNER, NEGATES, ROLE, ASKS, NUMBER, DATE, QUANTIFIES, QUALIFIES, TIME = (1 << n for n in range(10))
CAPITAL, IDENTIFIER, NAME, HEAD, VERSION, ENDS, POINTS, VERSIONED, COMPARES = (1 << n for n in range(10, 19))
SKIPPED = FUNCTION | INNER

_LONGEST_PIECE = 200
_LONGEST_TERM = 64
_MOST_PIECES = 8192
_LONGEST_KEPT = 40
_LEAST_CORRECTED, _LEAST_DROPPED = 5, 7

_OPENING = "([{\"'`\u201c\u2018\u00ab\u00bf\u00a1,;:<>|"
_CLOSING = ")]}\"'`\u201d\u2019\u00bb,;:!?.\u2026\u3002\uff1f\uff01<>|"
_QUOTES = "\"'`\u201c\u201d\u2018\u00ab\u00bb"
_SENTENCE_ENDS = ".!?:;\u2026\u3002\uff1f\uff01"
_NUMBER = re.compile(r"([$\u20ac\u00a3])?(\d[\d,]*(?:\.\d+)?)(k(?![a-z])|st|nd|rd|th)?(?:-?([a-z]+|%))?\+?", re.ASCII)
_VERSION = re.compile(r"[<>=~^]*v?(\d+(?:\.(?:\d+|x))+(?:[-.]?(?:alpha|beta|rc|dev)\d*)?|(?<=v)\d+)\+?", re.ASCII)
_NAME_VERSION = re.compile(r"([a-z]+(?:\.js)?)-?(\d+(?:\.\d+)*)", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d?(?:-\d\d?)?|\d\d?[/.]\d\d?[/.]\d{2,4}|\d\d?:\d\d(?::\d\d)?(?:am|pm)?|\d\d?(?:am|pm)", re.ASCII
)
_YEAR = re.compile(r"(?:19|20)\d\d", re.ASCII)
_PARTS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?(?:[-/\u2013\u2014+&][^\W\d_]+(?:'[^\W\d_]+)?)+")
_SPLIT = re.compile(r"[-/\u2013\u2014+&]")
_PLAIN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?")
_CAMEL = re.compile(r"[a-z][A-Z]")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def _canon_table() -> dict[str, str]:
    """Return the shared stem of each spelling and each stem of a synonym set."""
    table: dict[str, str] = {}
    for first, *others in lexicon.SYNONYMS:
        for word in (first, *others):
            table[word] = table[stem(word)] = stem(first)
    return table


_CANON = _canon_table()


def term_of(word: str) -> str:
    """Return the term of a lower-case word."""
    return _CANON.get(word) or _shared(stem(word))


def _shared(own: str) -> str:
    """Return the term of a stem."""
    return _CANON.get(own, own)


def _set_table() -> dict[str, str]:
    return {term_of(word): name for name, words in lexicon.EXCLUSIVE.items() for word in words}


SET_OF = _set_table()
"""The exclusive set of a term that is in one."""
PROPER_TERMS = frozenset(term for term, name in SET_OF.items() if name in lexicon.PROPER)
_VERSIONED_TERMS = frozenset(term for term, name in SET_OF.items() if name in lexicon.VERSIONED)
VERB_TERMS = frozenset(map(term_of, lexicon.VERBS))
UNDOING_TERMS = frozenset(map(term_of, lexicon.UNDOING))
KNOWN_TERMS = frozenset(
    {
        *VERB_TERMS,
        *SET_OF,
        *map(term_of, (word for words in lexicon.SYNONYMS for word in words)),
        *map(term_of, (word for pair in lexicon.OPPOSITES for word in pair)),
        *map(term_of, (*lexicon.QUALIFIERS, *lexicon.UNITS, *lexicon.NUMBER_WORDS)),
    }
)
"""Terms of words that are no typing error: two of them are never one word misspelt."""


def _tails() -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for (head, *tail), meaning in lexicon.PHRASES.items():
        table.setdefault(head, []).append((tuple(tail), meaning))
    return {head: tuple(sorted(tails, key=lambda tail: -len(tail[0]))) for head, tails in table.items()}


TAILS = _tails()
"""For each first word of a phrase: what may follow it, longest first, and what both mean."""

_SAYINGS: tuple[tuple[int, frozenset[str]], ...] = (
    (FUNCTION, lexicon.FUNCTION_WORDS),
    (INNER, lexicon.DETERMINERS),
    (NEGATES | FUNCTION, lexicon.NEGATIONS),
    (NEGATES, lexicon.NEGATING_VERBS | lexicon.FAILING),
    (ROLE | FUNCTION, frozenset(lexicon.ROLES)),
    (ASKS, frozenset(lexicon.QUESTIONS)),
    (NUMBER, frozenset(lexicon.NUMBER_WORDS) - {"one"}),
    (DATE, (frozenset(lexicon.MONTHS) | frozenset(lexicon.WEEKDAYS)) - {"may", "mar", "jan", "dec", "sun", "sat"}),
    (QUANTIFIES, frozenset(lexicon.QUANTIFIERS)),
    (QUALIFIES, lexicon.QUALIFIERS),
    (TIME, frozenset(lexicon.TIME_WORDS)),
    (HEAD, frozenset(TAILS)),
    (POINTS, lexicon.DEICTIC),
    (VERSIONED, lexicon.VERSION_WORDS),
    (COMPARES, frozenset(lexicon.COMPARED) | frozenset(pair[0] for pair in lexicon.BOUNDS)),
)


_ALSO_FUNCTION = ("if", "unless", "until", "while", "during", "except", "besides", "only", "all", "every", "each")


def _bits_table() -> dict[str, int]:
    table: dict[str, int] = {}
    for bits, words in _SAYINGS:
        for word in words:
            table[word] = table.get(word, 0) | bits
    for word in _ALSO_FUNCTION:
        table[word] |= FUNCTION
    return table


_BITS = _bits_table()


def word_of(low: str, more: int = 0) -> Word:
    """Return the word of a lower-case spelling, with more bits where the context has them."""
    bits = _BITS.get(low, 0) | more
    own = stem(low)
    term = _CANON.get(low) or _shared(own)
    if term in PROPER_TERMS:
        bits |= NAME
        if term in _VERSIONED_TERMS:
            bits |= VERSIONED
    return bits, term, own, low


class Pieces(dict[str, tuple[Word, ...]]):
    """The words of each piece read so far; at most `_MOST_PIECES`, then it starts anew."""

    def __missing__(self, piece: str) -> tuple[Word, ...]:
        words = _read(piece)
        if len(piece) <= _LONGEST_KEPT:
            if len(self) >= _MOST_PIECES:
                self.clear()
            self[piece] = words
        return words


def _read(piece: str) -> tuple[Word, ...]:
    text = piece[:_LONGEST_PIECE]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    if text in lexicon.ROLES:
        return (word_of(text),)
    core = text.removesuffix("()").strip("\x00").lstrip(_OPENING).rstrip(_CLOSING).removesuffix("()")
    if core and core[0] == "." and text[-1:] not in _QUOTES and len(core) == 1:
        core = ""
    if not core:
        return _symbols(text)
    words = _of_core(core, quoted=text[0] in _QUOTES and text.rstrip(".,;:!?")[-1:] in _QUOTES)
    if text[-1] in _SENTENCE_ENDS:
        bits, *rest = words[-1]
        words = (*words[:-1], (bits | ENDS, rest[0], rest[1], rest[2]))
    return words


def _symbols(text: str) -> tuple[Word, ...]:
    """A piece without letters or digits: a quoted sign, or punctuation."""
    ends = ENDS if text and text[-1] in _SENTENCE_ENDS else 0
    text = text.rstrip("?!,;:") or text
    if text[0] in _QUOTES and len(text) > 2:
        return ((IDENTIFIER, text[:_LONGEST_TERM], text[:_LONGEST_TERM], text[:_LONGEST_TERM]),)
    return ((FUNCTION | ends, "", "", ""),)


def _of_core(core: str, *, quoted: bool) -> tuple[Word, ...]:
    low = core.casefold()[:_LONGEST_PIECE]
    if low in _BITS or low in _CANON or low in SET_OF:
        return (word_of(low, _case_bits(core) | (IDENTIFIER if quoted and low not in SET_OF else 0)),)
    if _PLAIN.fullmatch(low):
        return _plain(core, low, quoted=quoted)
    for read in (_date, _version, _number, _name_version):
        words = read(low)
        if words:
            return words
    if _PARTS.fullmatch(low) and not quoted:
        return tuple(word for part in _SPLIT.split(core) for word in _of_core(part, quoted=False))
    kept = (core if core[0] == "-" else low)[:_LONGEST_TERM]
    return ((IDENTIFIER, kept, kept, kept),)


def _spellings() -> frozenset[str]:
    """Return all words of the tables, verbs in all their forms."""
    tables = (
        *(lexicon.FUNCTION_WORDS, lexicon.QUALIFIERS, lexicon.NEGATIONS, lexicon.QUANTIFIERS, lexicon.COMPARED),
        *(lexicon.TIME_WORDS, lexicon.QUESTIONS, lexicon.ROLES, lexicon.NUMBER_WORDS, lexicon.UNITS, lexicon.IRREGULAR),
        *(lexicon.MONTHS, lexicon.WEEKDAYS, *lexicon.SYNONYMS, *lexicon.OPPOSITES, *lexicon.EXCLUSIVE.values()),
    )
    verbs = (form for verb in lexicon.VERBS | lexicon.UNDOING for form in forms(verb).values())
    return frozenset(word for words in (*tables, verbs) for word in words if word.isascii() and word.isalpha())


_SPELLINGS = _spellings()
_DROPPED = {
    word[:place] + word[place + 1 :]: word
    for word in sorted(_SPELLINGS, reverse=True)
    if len(word) >= _LEAST_DROPPED
    for place in range(1, len(word) - 1)
}
"""Long words of the tables with one letter left out, neither the first nor the last."""


def _corrected(low: str) -> str:
    """Return the word of the tables that this one misspells: letters swapped, doubled, or one left out of a long word.

    Only words of the tables are looked for, as a typing error in "without" or "first" would hide a fact.
    """
    if len(low) < _LEAST_CORRECTED or low in _SPELLINGS or low in lexicon.WELL_SPELT:
        return low
    own = stem(low)
    if own in KNOWN_TERMS or own in _CANON:
        return low
    for place in range(1, len(low) - 1):
        pair = low[place : place + 2]
        other = low[:place] + (pair[0] if pair[0] == pair[1] else pair[::-1]) + low[place + 2 :]
        if other in _SPELLINGS:
            return other
    return _DROPPED.get(low, low)


def _case_bits(core: str) -> int:
    return CAPITAL if core[0].isupper() and core[1:].islower() else 0


def _plain(core: str, low: str, *, quoted: bool) -> tuple[Word, ...]:
    if _WIDE.search(low):
        return tuple((0, sign, sign, sign) for sign in low[:_LONGEST_TERM])
    low = low.removesuffix("'").removesuffix("'s")[:_LONGEST_TERM]
    if quoted or (_CAMEL.search(core) and term_of(low) not in KNOWN_TERMS):
        return (word_of(low, IDENTIFIER | _case_bits(core)),)
    spelt = _corrected(low)
    bits, term, own, _ = word_of(spelt, _case_bits(core))
    return ((bits, term, own if spelt == low else stem(low), spelt),)


def _date(low: str) -> tuple[Word, ...]:
    return ((DATE, low, low, low),) if _DATE.fullmatch(low) or _YEAR.fullmatch(low) else ()


def _version(low: str) -> tuple[Word, ...]:
    found = _VERSION.fullmatch(low)
    if found is None or (found[1].count(".") == 1 and found[1].replace(".", "").isdigit() and low[0].isdigit()):
        return ()
    number = canonical_version(found[1])
    return ((VERSION, number, number, number),)


def canonical_version(number: str) -> str:
    """Return a version as versions are compared: "8.0" is "8"."""
    return number.removesuffix(".0").removesuffix(".x")


def _number(low: str) -> tuple[Word, ...]:
    found = _NUMBER.fullmatch(low)
    if found is None:
        return ()
    sign, digits, scale, unit = found.groups()
    if unit and unit not in lexicon.UNITS:
        return ()
    value = float(digits[:30].replace(",", "")) * (1000.0 if scale == "k" else 1.0)
    spelt = plain_number(value)
    words: tuple[Word, ...] = ((NUMBER, spelt, spelt, spelt),)
    unit = unit or sign
    return (*words, (FUNCTION, unit, unit, unit)) if unit else words


def plain_number(value: float) -> str:
    """Return a number as numbers are compared: "10", "0.5"."""
    return str(int(value)) if value.is_integer() and value < 1e15 else repr(value)


def _name_version(low: str) -> tuple[Word, ...]:
    found = _NAME_VERSION.fullmatch(low)
    if found is None:
        return ()
    name = word_of(found[1])
    if not name[0] & VERSIONED:
        return ()
    number = canonical_version(found[2])
    return name, (VERSION, number, number, number)


PIECES = Pieces()
"""What has been read so far; threads may share it, as a piece is always read the same."""
