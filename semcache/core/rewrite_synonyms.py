"""A text with one word exchanged for a synonym of the word tables (`lexicon`). Words in quotes and names stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from semcache.core.lexicon import SYNONYMS
from semcache.core.stem import stem

_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_WORD = re.compile(r"(?<![\w./\\@#$*+=<>_-])[A-Za-z]\w*(?![\w/\\@#$*+=<>_-]|\.\w)")
_MAX_EACH = 3


def exchanged(text: str) -> Iterator[tuple[str, str]]:
    """Yield the text with one word exchanged, wherever it stands."""
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    for match in _WORD.finditer(text):
        found = match[0]
        if any(start <= match.start() < end for start, end in quoted) or not (found.islower() or found.istitle()):
            continue
        for other in _TABLE.get(found.lower(), ()):
            put = other[0].upper() + other[1:] if found[0].isupper() else other
            yield f"synonym:{found.lower()}", text[: match.start()] + put + text[match.end() :]


def _table() -> dict[str, tuple[str, ...]]:
    """Return for each word a few that may stand in its place: no other form of it, no compound."""
    table: dict[str, tuple[str, ...]] = {}
    for words in SYNONYMS:
        for word in words:
            others = [other for other in words if stem(other) != stem(word) and "-" not in other]
            table[word] = (*table.get(word, ()), *others)[:_MAX_EACH]
    return table


_TABLE = _table()
