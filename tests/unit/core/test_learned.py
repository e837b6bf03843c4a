from __future__ import annotations

import numpy as np

from semcache.core.learned import LEARNED, are_learned, digests, digests_of_keys
from semcache.core.text import exact_key, normalise

TEXTS = ["how do I list files", "remove a folder", "copy a file", "how do I list files"]


def test_a_digest_is_the_head_of_the_exact_key() -> None:
    """Eight bytes, the lowest first; of all texts rising, each once."""
    found = digests(TEXTS)
    assert found.dtype == LEARNED
    assert set(found.tolist()) == {int.from_bytes(exact_key(text.lower())[:8], "little") for text in TEXTS}
    assert (found[1:] > found[:-1]).all()
    assert len(found) == 3


def test_keys_have_the_digests_of_their_texts() -> None:
    """What a bundle holds of its texts is enough to know them again."""
    keys = [exact_key(normalise(text)) for text in TEXTS]
    assert digests_of_keys(keys).tolist() == digests(TEXTS).tolist()
    assert digests_of_keys(()).shape == (0,)


def test_spellings_that_hit_the_same_key_are_the_same_text() -> None:
    """Case, spaces and closing marks teach nothing more."""
    assert are_learned(["  REMOVE a   folder?? ", "remove a folder now"], digests(TEXTS)).tolist() == [True, False]


def test_nothing_is_learned_from_nothing() -> None:
    """Nor does a text that no lookup can ask for count as learned."""
    assert digests(()).shape == (0,)
    assert digests(["", " ?! ", "\ud800"]).shape == (0,)
    assert are_learned(TEXTS, digests(())).tolist() == [False] * 4
    zero = np.zeros(1, LEARNED)
    assert are_learned(["", "\ud800"], zero).tolist() == [False, False]
    assert are_learned([], zero).shape == (0,)
