"""Says how sure a bundle is of texts, without serving: what evaluation and calibration measure."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.lookup.version import Retrieved, Version
from semcache.types import Assessment, Hit, Kind, Reason, Result


def assess(version: Version, texts: Sequence[str], *, namespace: str | None, now: float) -> list[Assessment]:
    """Return the candidate answer of each text with its confidence. Exact hits are certain."""
    exact = [version.exact(text, namespace=namespace, now=now) for text in texts]
    open_texts = [text for text, result in zip(texts, exact, strict=True) if result is None]
    judged = iter(version.judge_all(open_texts, namespace=namespace) if open_texts else ())
    return [
        _semantic(version, text, next(judged), now=now) if result is None else _exact(text, result)
        for text, result in zip(texts, exact, strict=True)
    ]


def _exact(text: str, result: Result) -> Assessment:
    if isinstance(result, Hit):
        return Assessment(text, Kind.EXACT, result.entry_id, result.variant, result.namespace, 1.0, 1.0, {}, None)
    return Assessment(text, None, None, None, None, None, result.score, {}, result.reason)


def _semantic(version: Version, text: str, judged: Retrieved | None, *, now: float) -> Assessment:
    if judged is None:
        return Assessment(text, None, None, None, None, None, None, {}, version.not_embedded(text).reason)
    if judged.candidate is None or judged.features is None:
        return Assessment(text, None, None, None, None, None, None, {}, Reason.BELOW_THRESHOLD)
    features = dict(zip(version.reader.manifest.decision.features, judged.features.tolist(), strict=True))
    at = judged.candidate.position
    near = version.reader.neighbour(judged.rows[at], judged.scores[at])
    reason = version.reason(judged, 0.0)
    if reason is None and now > version.reader.valid_until(version.reader.rows.item(judged.rows[at])):
        reason = Reason.EXPIRED
    if reason is not None:  # that, or a guard
        kind, confidence = None, None
    else:
        kind, confidence = Kind.SEMANTIC, judged.confidence
    return Assessment(text, kind, near.entry_id, near.variant, near.namespace, confidence, near.score, features, reason)
