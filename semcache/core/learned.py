"""Which texts a decision learned from, as digests: what was learned from certifies and measures nothing. Pure.

Source: FORMAT.md, "learned.npy".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from semcache.core.text import key_of

LEARNED = np.dtype("<u8")
"""A digest: the first eight bytes of a text's exact key, the lowest first."""
Digests = npt.NDArray[np.uint64]


def digests(texts: Iterable[str]) -> Digests:
    """Return the (n,) digests of texts, rising, each once. Texts that no lookup can ask for have none."""
    return np.unique(np.array([found for text in texts if (found := _digest(text)) is not None], LEARNED))


def digests_of_keys(keys: Iterable[bytes]) -> Digests:
    """Return the (n,) digests of texts with these exact keys, rising, each once."""
    return np.unique(np.frombuffer(b"".join(key[:8] for key in keys), LEARNED))


def are_learned(texts: Sequence[str], learned: Digests) -> npt.NDArray[np.bool_]:
    """Say of each text whether its digest is among (n,) digests."""
    found = [_digest(text) for text in texts]
    known = np.array([0 if digest is None else digest for digest in found], LEARNED)
    has_one = np.array([digest is not None for digest in found], np.bool_)
    return has_one & np.isin(known, learned)


def _digest(text: str) -> int | None:
    key = key_of(text)
    return None if key is None else int.from_bytes(key[:8], "little")
