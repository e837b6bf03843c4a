"""Draws that a digest makes, and how they part labelled traffic. Pure.

What certifies must meet each text as often as lookups will. Parted by text instead, a text that is asked often falls
into one part whole; where that is not the one that certifies, the certificate is about traffic that never asks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from semcache.core.text import normalise

GRID_SHARE = 0.2
"""Of the queries that could certify: those that only say where thresholds are worth trying."""


def draw(seed: int, what: str, about: int | str) -> float:
    """Return a number from 0 to 1 that only these three decide: the same in whatever order it is asked for."""
    digest = blake2b(f"{seed}/{what}/{about}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def are_for_grid(texts: Sequence[str], *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Say of each query of traffic, in its order, whether it is one of those that only say where to try.

    A text and how often it was asked before decide, so that more traffic at the end changes nothing.
    """
    n_asked = Counter[str]()
    found = np.zeros(len(texts), np.bool_)
    for i, text in enumerate(map(normalise, texts)):
        found[i] = draw(seed, "grid", f"{n_asked[text]} {text}") < GRID_SHARE
        n_asked[text] += 1
    return found
