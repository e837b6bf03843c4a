"""How a text is normalised for exact matching, and the key that comes of it.

The result reaches the disk (FORMAT.md, "Exact keys"): these rules are stable for ever. A change of any of them
is a new format version.
"""

from __future__ import annotations

import unicodedata
from hashlib import blake2b

KEY_BYTES = 16

_CLOSING = "?!.,;:\u2026\u3002\uff1f\uff01"
_SOFT_CLOSING = "?!\uff1f\uff01"
_OPENING = "\u00bf\u00a1"
_AFTER_WORD = ")]}\"'`\u201d\u2019\u00bb%"
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}


def normalise(text: str) -> str:
    """Return the text as exact matching sees it.

    NFKC and full case folding, white space collapsed to single spaces, outer punctuation dropped: opening
    inverted marks, one pair of quotes around the whole, and closing sentence punctuation. Closing punctuation
    stays where it carries meaning: "cd .." and "list files in ." keep their dots (a full stop is only dropped
    after a letter, a digit, a closing bracket, a quote or a per cent sign).

    Idempotent. May return an empty string.
    Source: FORMAT.md, "Exact keys".
    """
    folded = text.lower() if text.isascii() else _fold(text)
    return _drop_outer_punctuation(" ".join(folded.split()))


def _fold(text: str) -> str:
    """Caseless compatibility form; the second round makes it idempotent (Unicode 3.13, D146)."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def _drop_outer_punctuation(text: str) -> str:
    while not (text[:1].isalnum() and text[-1:].isalnum()):
        shorter = _drop_closing(text.lstrip(_OPENING).strip())
        if len(shorter) > 2 and _QUOTES.get(shorter[0]) == shorter[-1] and shorter[0] not in shorter[1:-1]:
            shorter = shorter[1:-1].strip()
        if shorter == text:
            return text
        text = shorter
    return text


def _drop_closing(text: str) -> str:
    body = text.rstrip(_CLOSING)
    if len(body) == len(text):
        return text
    if not body:
        return ""
    run = text[len(body) :]
    ends_word = body[-1].isalnum() or body[-1] in _AFTER_WORD
    if ends_word or all(mark in _SOFT_CLOSING for mark in run):
        return body.rstrip()
    return text


def exact_key(normalised: str) -> bytes:
    """Return the 16-byte key of a normalised text: BLAKE2b-128 of its UTF-8 bytes.

    Raises:
        UnicodeEncodeError: the text holds an unpaired surrogate.
    Source: FORMAT.md, "Exact keys".
    """
    return blake2b(normalised.encode("utf-8"), digest_size=KEY_BYTES).digest()


def key_of(text: str) -> bytes | None:
    """Return the exact key of a text, which need not be normalised; None for one that no lookup can ask for."""
    normalised = normalise(text)
    try:
        return exact_key(normalised) if normalised else None
    except UnicodeEncodeError:
        return None
