"""Says everything a lookup looked at, and what would have to change for a hit."""

from __future__ import annotations

from semcache.core.certify import CertifiedLevel
from semcache.core.lexical import FEATURES as LEXICAL
from semcache.core.lexical import mismatches
from semcache.core.text import normalise
from semcache.lookup.version import Retrieved, Version
from semcache.types import Explanation, Hit, Miss, Reason

_TOKENLESS = (Reason.EMPTY, Reason.INVALID_TEXT, Reason.NO_NAMESPACE)


def explain(
    version: Version, text: str, *, namespace: str | None, max_error: float | None, k: int, now: float
) -> Explanation:
    """Look a text up and keep every step. An exact hit or miss is shown with its neighbours all the same."""
    exact = version.exact(text, namespace=namespace, now=now)
    judged, n_tokens = None, None
    if not (isinstance(exact, Miss) and exact.reason in _TOKENLESS):
        n_tokens = version.embedder().count_tokens(text)
        judged = version.judge_all([text], namespace=namespace)[0]
    certificate = version.certificate_for(judged) if judged else None
    level = certificate.level_for(max_error) if certificate else None
    if exact is not None:
        result = exact
    elif judged is None:
        result = version.not_embedded(text)
    else:
        result = version.serve_semantic(judged, max_error=max_error, now=now)
    nearest = version.named(judged.rows[:k], judged.scores[:k]) if judged else ()
    candidate = judged.candidate if judged else None
    return Explanation(
        text=text,
        normalised=normalise(text),
        n_tokens=n_tokens,
        max_tokens=version.reader.manifest.encoder.max_tokens,
        neighbours=nearest,
        candidate=_within(candidate.position if candidate else None, len(nearest)),
        rival=_within(candidate.rival if candidate else None, len(nearest)),
        features=_features(version, judged),
        confidence=judged.confidence if judged and candidate else None,
        namespace=certificate.namespace if certificate else None,
        max_error=level.max_error if level else None,
        threshold=level.threshold if level else None,
        n_hits=level.n_hits if level else 0,
        n_wrong=level.n_wrong if level else 0,
        result=result,
        changes=() if isinstance(result, Hit) else tuple(_changes(version, result, judged, level)),
    )


def _within(position: int | None, n: int) -> int | None:
    return position if position is not None and position < n else None


def _features(version: Version, judged: Retrieved | None) -> dict[str, float]:
    if judged is None or judged.features is None:
        return {}
    return dict(zip(version.reader.manifest.decision.features, judged.features.tolist(), strict=True))


def _changes(version: Version, miss: Miss, judged: Retrieved | None, level: CertifiedLevel | None) -> list[str]:
    if judged is not None and level is not None and miss.reason is Reason.BELOW_THRESHOLD:
        return _surer(judged, level)
    if judged is not None and miss.reason is Reason.GUARD and miss.nearest is not None:
        return [f"nothing: a guard of {miss.nearest.entry_id} is nearest; if it is wrong, remove it from `rejects`"]
    changes = {
        Reason.EMPTY: "the text needs at least one word",
        Reason.INVALID_TEXT: "the text must be valid Unicode: decode the bytes it came from with their real encoding",
        Reason.NO_NAMESPACE: f"name one of: {', '.join(version.reader.manifest.namespaces)}",
        Reason.AMBIGUOUS: "name a namespace",
        Reason.TOO_LONG: "ask a shorter question, or put this very text into the corpus: exact hits have no limit",
        Reason.UNKNOWN_WORD: "leave the word out, or put this very text into the corpus: exact hits know every word",
        Reason.EXPIRED: "give the entry a later valid_until, or a newer answer, and build again",
        Reason.GUARD: "nothing: somebody wrote down that this text must not get the answer it is near to",
        Reason.UNCERTIFIED: "more calibration queries (semcache calibrate), or a larger max_error at build",
        Reason.BELOW_THRESHOLD: "a bundle that holds something",
    }
    return [changes[miss.reason]]


def _surer(judged: Retrieved, level: CertifiedLevel) -> list[str]:
    """Say what keeps the confidence down."""
    if judged.candidate is None or judged.features is None or level.threshold is None:
        return ["a bundle that holds something"]
    missing = level.threshold - judged.confidence
    changes = [f"{missing:.4f} more confidence: add this wording to the right entry's paraphrases and build again"]
    differing = mismatches(judged.features[-len(LEXICAL) :].tolist())
    if differing:
        changes.append(f"the same facts as the nearest text; these differ: {', '.join(differing)}")
    margin = judged.candidate.margin
    changes.append(f"more than {margin:.3f} of margin to the best different answer: say what tells the two apart")
    return changes
