"""A corpus to fit on, made of words: each entry asks for an action on a thing, in several wordings."""

from __future__ import annotations

import numpy as np

from semcache.build.fit_queries import Rows
from semcache.build.known import Words
from semcache.embed.hashing import HASHING_SPEC, HashingEmbedder

EMBEDDER = HashingEmbedder(HASHING_SPEC)
_ACTIONS = ("create", "delete", "restore", "rename", "encrypt", "archive", "publish", "inspect", "migrate", "verify")
_FRAMES = ("how do I {} {}", "{} {} please", "i want to {} {}", "what is the way to {} {}")


def made_rows(
    n_entries: int, *, n_variants: int = 4, with_guards: bool = True, n_namespaces: int = 1, seed: int = 0
) -> Rows:
    """Give rows of entries, entry i with answer i; every third has a guard; namespaces take turns."""
    rng = np.random.default_rng(seed)
    texts, entries = list[str](), list[int]()
    for entry in range(n_entries):
        thing = "".join(rng.choice(list("abcdefghijklmnoprstuvw"), 7)) + f" {'tv'[entry % 2]}{entry}"
        action = _ACTIONS[entry % len(_ACTIONS)]
        texts += [frame.format(action, thing) for frame in _FRAMES[:n_variants]]
        entries += [entry] * n_variants
        if with_guards and entry % 3 == 0:
            texts.append(f"never {action} {thing}")
            entries.append(~entry)
    words = Words()
    for text in texts:
        words.add(text)
    numbers = np.array(entries, np.int64)
    owners = np.where(numbers < 0, ~numbers, numbers)
    names = [f"space {i}" for i in range(n_namespaces)]
    return Rows(
        texts,
        numbers,
        numbers.copy(),
        owners % n_namespaces,
        np.arange(len(texts)),
        EMBEDDER.embed(texts),
        *words.finish(),
        namespace_names=names,
    )
