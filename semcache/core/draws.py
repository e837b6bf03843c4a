"""Parts labelled traffic draw by draw: what certifies must meet each text as often as lookups will. Pure.

Parted by text instead, a text that is asked often falls into one part whole. Where that is not the one that
certifies, the certificate would promise something of traffic that never asks it.
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


def are_for_grid(texts: Sequence[str], *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Say of each query of traffic, in its order, whether it is one of those that only say where to try.

    A text and how often it was asked before decide, so that more traffic at the end changes nothing.
    """
    n_asked = Counter[str]()
    found = np.zeros(len(texts), np.bool_)
    for i, text in enumerate(map(normalise, texts)):
        name = f"{seed}/grid/{n_asked[text]} {text}".encode("utf-8", "surrogatepass")
        found[i] = int.from_bytes(blake2b(name, digest_size=8).digest(), "big") / 2**64 < GRID_SHARE
        n_asked[text] += 1
    return found
