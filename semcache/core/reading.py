"""What one text says: its terms and the facts that an answer hangs on.

A reading is made for any text and never raises. `lexical` compares two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from semcache.core import lexicon
from semcache.core.words import (
    ASKS,
    CAPITAL,
    COMPARES,
    DATE,
    ENDS,
    FUNCTION,
    HEAD,
    IDENTIFIER,
    INNER,
    NAME,
    NEGATES,
    NUMBER,
    PIECES,
    POINTS,
    QUALIFIES,
    QUANTIFIES,
    ROLE,
    SET_OF,
    SKIPPED,
    TAILS,
    TIME,
    VERB_TERMS,
    VERSION,
    VERSIONED,
    Word,
    canonical_version,
    plain_number,
    word_of,
)

NUMBERS, QUANTITIES, UNITS, VERSIONS, DATES, QUANTIFIERS, QUALIFIERS, TIMES = range(8)
"""Positions in `Facts`."""
Facts = tuple[frozenset[str], ...]
_NONE: frozenset[str] = frozenset()
NO_FACTS: Facts = (_NONE,) * 8
_SEPARABLE: dict[str, frozenset[str]] = {
    **dict.fromkeys(("turn", "turned", "turning", "switch", "switching"), frozenset({"on", "off"})),
    **dict.fromkeys(("roll", "rolling"), frozenset({"back"})),
    **dict.fromkeys(("tear", "take", "shut", "shutting"), frozenset({"down"})),
    **dict.fromkeys(("log", "sign", "logging", "signing"), frozenset({"out"})),
}
"""Words that stay one with a later one when others stand between: "roll the database back"."""
_SWITCHED = {"on": "enable", "off": "disable"}
"""What these mean at the end of a text: "maintenance mode off"."""
_GAP = 3
_MOST_NEGATED = 2.0
_TELLING = HEAD | ASKS | NEGATES | POINTS | NUMBER | VERSION | DATE | QUANTIFIES | QUALIFIES | TIME | COMPARES
"""Bits of words that say more than where a role begins or ends, or what it holds."""
_NOWHERE: Word = (FUNCTION | ENDS, "", "", "")


class Lexical(NamedTuple):
    """What the words of a text say. Made by `analyse`, never changed.

    Attributes:
        places: each distinct term (a stem; synonyms share one) and its position among them, in order.
        bag: the same terms.
        stems: their own stems, synonyms apart.
        names: terms that are proper names: known ones, and words with a capital inside a sentence.
        identifiers: terms that are code, paths, flags or quoted: never misspelt.
        facts: numbers, quantities in base units, units, versions, dates, quantifiers, qualifiers, time words.
        roles: terms behind a telling preposition, with what it says: ("to", "postgr").
        negation: 1.0 for each negation, 0.5 for each that only tells of a fault; 2.0 at most.
        question: how, what, why, when, where, who, amount, yes, or "" for a command or keywords.
        points: whether it points at something said before ("it", "these").
    """

    places: Mapping[str, int]
    bag: frozenset[str]
    stems: frozenset[str]
    names: frozenset[str]
    identifiers: frozenset[str]
    facts: Facts
    roles: tuple[tuple[str, str], ...]
    negation: float
    question: str
    points: bool


def analyse(text: str) -> Lexical:
    """Read a text.

    Ten words take 8 us at the median and 15 us at the 95th percentile where their pieces were met before, some 50 us
    where none was (2 cores at 2.6 GHz shared with other work, Python 3.11); 10,000 characters take some 10 ms.

    Args:
        text: any text; unpaired surrogates and control characters too.
    """
    words: list[Word] = []
    for piece in text.split():
        words += PIECES[piece]
    return _Reader(words).read()


class _Reader:
    """Reads the words of one text in their order."""

    __slots__ = (
        *("words", "terms", "stems", "names", "capitals", "identifiers", "found", "roles", "role", "skip"),
        *("negation", "question", "points"),
    )

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.terms: list[str] = []
        self.stems: list[str] = []
        self.names: list[str] = []
        self.capitals: list[str] = []
        self.identifiers: list[str] = []
        self.found: dict[int, list[str]] = {}
        self.roles: list[tuple[str, str]] = []
        self.role = ""
        self.skip = 0
        self.negation = 0.0
        self.question = ""
        self.points = False

    def read(self) -> Lexical:
        terms, stems = self.terms, self.stems
        for index, word in enumerate(self.words):
            if index < self.skip:
                continue
            bits = word[0]
            if not bits:
                terms.append(word[1])
                stems.append(word[2])
                if self.role:
                    self.roles.append((self.role, word[1]))
            elif bits == FUNCTION:
                self.role = ""
            elif bits & _TELLING:
                self._special(index, word)
            elif bits != SKIPPED:
                self._place(index, word)
        return self._result()

    def _result(self) -> Lexical:
        if self.capitals and 2 * sum(word[0] & CAPITAL > 0 for word in self.words) <= len(self.words) + 1:
            self.names += self.capitals
        places = dict(zip(dict.fromkeys(self.terms), range(len(self.terms)), strict=False))
        found = self.found
        return Lexical(
            places,
            frozenset(places),
            frozenset(self.stems),
            frozenset(self.names) if self.names else _NONE,
            frozenset(self.identifiers) if self.identifiers else _NONE,
            tuple([frozenset(found[i]) if i in found else _NONE for i in range(8)]) if found else NO_FACTS,
            tuple(self.roles),
            self.negation,
            self.question,
            self.points,
        )

    def _special(self, index: int, word: Word) -> None:
        """Read a word that says more than its term."""
        bits, _, _, low = word
        if bits & HEAD and self._phrase(index, low):
            return
        if bits & ASKS:
            self._ask(index, low)
        if bits & NEGATES:
            self._negate(index, low)
        if bits & POINTS:
            self.points = True
        if bits & (NUMBER | VERSION | DATE):
            self._measure(index, word)
            return
        if bits & (QUANTIFIES | QUALIFIES | TIME | COMPARES):
            self._note(index, word)
        self._place(index, word)

    def _place(self, index: int, word: Word) -> None:
        """Take a word of weight; a function word opens a role, ends it, or stands inside it."""
        bits, _, _, low = word
        if bits & ROLE:
            self.role = self._role(index, low)
            if low in _SWITCHED and index and index + 1 == len(self.words) and not self.words[index - 1][0] & FUNCTION:
                self._take_meaning(index, _SWITCHED[low])
        elif not bits & FUNCTION:
            self._take(index, word)
        elif not bits & INNER:
            self.role = ""
        if bits & ENDS:
            self.role = ""

    def _take(self, index: int, word: Word) -> None:
        """Take a word that has weight."""
        bits, term, own, _ = word
        self.terms.append(term)
        self.stems.append(own)
        if self.role:
            self.roles.append((self.role, term))
        if bits & NAME:
            self.names.append(term)
        elif bits & CAPITAL and index and not self.words[index - 1][0] & ENDS:
            self.capitals.append(term)
        if bits & IDENTIFIER:
            self.identifiers.append(term)

    def _fact(self, kind: int, what: str) -> None:
        self.found.setdefault(kind, []).append(what)

    def _ahead(self, index: int, step: int = 1) -> Word:
        place = index + step
        return self.words[place] if 0 <= place < len(self.words) else _NOWHERE

    def _phrase(self, index: int, low: str) -> bool:
        """Take several words that mean one: "log in", and "turn it off" with words between."""
        after, parting = self._ahead(index)[3], _SEPARABLE.get(low, _NONE)
        for tail, meaning in TAILS[low]:
            if tail[0] == after and all(self._ahead(index, step)[3] == word for step, word in enumerate(tail, 1)):
                self.skip = index + 1 + len(tail)
                self._take_meaning(index, meaning)
                return True
            if tail[0] in parting and tail[0] in {self._ahead(index, step)[3] for step in range(2, _GAP + 2)}:
                self._take_meaning(index, meaning)
                return True
        return False

    def _take_meaning(self, index: int, meaning: str) -> None:
        bits, term, own, low = word_of(meaning)
        self._special(index, (bits & ~HEAD, term, own, low))

    def _ask(self, index: int, low: str) -> None:
        """Note what is asked, by the first word that asks at all."""
        before = self._ahead(index, -1)[0]
        kind = lexicon.QUESTIONS[low]
        opens = bool(before & ENDS) or (kind != "yes" and before & FUNCTION and not before & ROLE)
        if self.question or not (opens or kind == "how"):
            return
        if kind == "how" and self._ahead(index)[3] in lexicon.ASKED_AMOUNTS:
            kind = "amount"
        elif kind in {"what", "yes"} and any(self._ahead(index, step)[3] in lexicon.HOW_NOUNS for step in range(1, 5)):
            kind = "how"
        self.question = kind

    def _negate(self, index: int, low: str) -> None:
        after = self._ahead(index)[3]
        if after in lexicon.NOT_NEGATED or (low, after) in lexicon.BOUNDS or (low in lexicon.FAILING and after != "to"):
            return
        is_cannot = low == "not" and self._ahead(index, -1)[3] in {"can", "could", "will"}
        weak = is_cannot or low in lexicon.WEAK_NEGATIONS or after in lexicon.FAULTS
        self.negation = min(_MOST_NEGATED, self.negation + (0.5 if weak else 1.0))

    def _role(self, index: int, low: str) -> str:
        """Return what a preposition says of the words behind it; "to" before a verb says nothing."""
        if low in {"of", "than"} and self._ahead(index, -1)[3] in {"instead", "rather", "out"}:
            return self.role
        if low == "to":
            before, after = self._ahead(index, -1), self._ahead(index)
            if before[3] in lexicon.INFINITIVE_HEADS or (after[1] in VERB_TERMS and after[1] not in SET_OF):
                return ""
        return lexicon.ROLES[low]

    def _note(self, index: int, word: Word) -> None:
        """Note quantifiers, bounds, qualifiers and words of time."""
        bits, term, _, low = word
        if bits & QUANTIFIES:
            self._fact(QUANTIFIERS, lexicon.QUANTIFIERS[low])
        if bits & QUALIFIES:
            self._fact(QUALIFIERS, term)
        if bits & TIME:
            self._fact(TIMES, lexicon.TIME_WORDS[low])
        if bits & COMPARES:
            after = self._ahead(index)
            bound = lexicon.BOUNDS.get((low, after[3]))
            if bound is None and (after[3] == "than" or (low in {"over", "under"} and after[0] & NUMBER)):
                bound = lexicon.COMPARED.get(low)
            if bound is not None:
                self._fact(QUANTIFIERS, bound)

    def _measure(self, index: int, word: Word) -> None:
        """Take a number, a version or a date."""
        bits, term, own, low = word
        if bits & NUMBER:
            self._number(index, low)
            return
        if bits & VERSION:
            self._fact(VERSIONS, term)
        elif low in lexicon.MONTHS or low in lexicon.WEEKDAYS:
            self._fact(DATES, lexicon.MONTHS.get(low) or lexicon.WEEKDAYS[low])
        else:
            self._fact(DATES, low)
        self._take(index, (0, term, own, low))

    def _number(self, index: int, low: str) -> None:
        value = lexicon.NUMBER_WORDS.get(low)
        number = float(low) if value is None else value
        place = index + 1
        scale = lexicon.MULTIPLIERS.get(self._ahead(index)[3])
        if scale is not None:
            number, place = number * scale, place + 1
        spelt = plain_number(number)
        after = self._ahead(place, 0)[3]
        unit = lexicon.UNITS.get(after)
        if unit is not None:
            self._fact(UNITS, unit[0] + repr(unit[1]))
            self._fact(QUANTITIES, f"{number * unit[1]:.9g} {unit[0]}")
            place += 1
        elif self._is_version(index):
            spelt = canonical_version(low)
            self._fact(VERSIONS, spelt)
            self._take(index, (0, spelt, spelt, low))
            return
        self._fact(NUMBERS, spelt)
        self.skip = max(self.skip, place)
        self._take(index, (0, spelt, spelt, low))

    def _is_version(self, index: int) -> bool:
        """Say whether a bare number is a version: behind a versioned name, or leading on from another version."""
        before = self._ahead(index, -1)
        if before[0] & VERSIONED:
            return True
        return VERSIONS in self.found and before[3] in {"to", "from", "and", "or", "->"}
