"""Says everything a lookup looked at, and what would have to change for a hit."""

from __future__ import annotations

from semcache.core.text import normalise
from semcache.lookup.version import Retrieved, Version
from semcache.types import Explanation, Hit, Miss, Reason

_TOKENLESS = (Reason.EMPTY, Reason.INVALID_TEXT, Reason.NO_NAMESPACE)


def explain(version: Version, text: str, *, namespace: str | None, k: int, now: float) -> Explanation:
    """Look a text up and keep every step. An exact hit or miss is shown with its neighbours all the same."""
    exact = version.exact(text, namespace=namespace, now=now)
    retrieved, n_tokens = None, None
    if not (isinstance(exact, Miss) and exact.reason in _TOKENLESS):
        embedder = version.embedder()
        n_tokens = embedder.count_tokens(text)
        vectors = embedder.embed([text])
        if vectors.any():
            retrieved = version.retrieve(vectors, namespace=namespace)[0]
    result = exact or (version.not_embedded(text) if retrieved is None else version.serve_semantic(retrieved, now=now))
    nearest = version.neighbours(retrieved)[:k] if retrieved else ()
    rival = retrieved.verdict.rival if retrieved else None
    return Explanation(
        text=text,
        normalised=normalise(text),
        n_tokens=n_tokens,
        max_tokens=version.reader.manifest.encoder.max_tokens,
        neighbours=nearest,
        margin=retrieved.verdict.margin if retrieved else None,
        rival=rival if rival is not None and rival < len(nearest) else None,
        threshold=version.policy.threshold,
        min_margin=version.policy.margin,
        result=result,
        changes=() if isinstance(result, Hit) else tuple(_changes(version, result, retrieved)),
    )


def _changes(version: Version, miss: Miss, retrieved: Retrieved | None) -> list[str]:
    policy = version.policy
    if retrieved is not None and miss.reason in (Reason.BELOW_THRESHOLD, Reason.BELOW_MARGIN, Reason.GUARD):
        return _semantic_changes(version, miss, retrieved)
    fixed = {
        Reason.EMPTY: "the text needs at least one word",
        Reason.INVALID_TEXT: "the text must be valid Unicode: decode the bytes it came from with their real encoding",
        Reason.NO_NAMESPACE: f"name one of: {', '.join(version.reader.manifest.namespaces)}",
        Reason.AMBIGUOUS: "name a namespace",
        Reason.TOO_LONG: "ask a shorter question, or put this very text into the corpus: exact hits have no limit",
        Reason.UNKNOWN_WORD: "leave the word out, or put this very text into the corpus: exact hits know every word",
        Reason.EXPIRED: "give the entry a later valid_until, or a newer answer, and build again",
        Reason.GUARD: "nothing: somebody wrote down that this text must not get the answer it is near to",
    }
    return [fixed.get(miss.reason, f"a score of {policy.threshold:.3f} and a margin of {policy.margin:.3f}")]


def _semantic_changes(version: Version, miss: Miss, retrieved: Retrieved) -> list[str]:
    policy, margin, score = version.policy, retrieved.verdict.margin, retrieved.scores[0]
    if miss.reason is Reason.GUARD and miss.nearest is not None and retrieved.rows[0] == miss.nearest.row:
        rival = retrieved.verdict.rival
        if rival is None or retrieved.scores[0] - retrieved.scores[rival] > policy.margin:
            return [f"nothing: a guard of {miss.nearest.entry_id} is nearest; if it is wrong, remove it from `rejects`"]
    changes = []
    if score < policy.threshold:
        missing = policy.threshold - score
        changes.append(f"a variant nearer by {missing:.3f} in score: add this wording to the right entry's paraphrases")
    if margin is not None and margin < policy.margin:
        missing = policy.margin - margin
        changes.append(f"{missing:.3f} more margin to the next different answer: say what tells the two apart")
    return changes or ["a nearest text that is not a guard"]
