"""Labelled queries and candidates that were never asked of a bundle, for tests of what is counted and shown."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from semcache.core.certificate import CalibrationInfo, Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.labels import EntryFacts
from semcache.lookup.candidates import Candidate
from semcache.lookup.evaluate import Evaluation, measure
from semcache.types import NO_SLICE, Kind, LabelledQuery, Reason

ENTRIES = {
    "a": EntryFacts(0, frozenset({"a", "login"})),
    "b": EntryFacts(1, frozenset({"b", "login"})),
    "twin of b": EntryFacts(1, frozenset({"twin of b"})),
    "c": EntryFacts(2, frozenset({"c"})),
}
PROMISES = (
    CertifiedLevel(0.01, None, 200, 0, 99),
    CertifiedLevel(0.05, 0.8, 400, 4, 0),
    CertifiedLevel(0.1, 0.5, 600, 30, 0),
)
CALIBRATION = CalibrationInfo("written", 1000, 400, 0.4, 0.05)
HOSTILE = (
    '</script><script>alert(1)</script><img src="https://example.invalid/x.png" onerror=alert(2)>\u202egnp\x1b[31m'
)


def query(entry_id: str | None, text: str = "how", *, group: str | None = None, kind: str = NO_SLICE) -> LabelledQuery:
    """Make a query."""
    return LabelledQuery("q.jsonl:1", text, entry_id, group, kind)


def semantic(entry_id: str, confidence: float, *, namespace: str = "web") -> Candidate:
    """Make a candidate that the semantic tier found."""
    return Candidate(
        entry_id, f"text of {entry_id}", namespace, Kind.SEMANTIC, confidence, 0.75, {"margin": 0.125}, None
    )


def exact(entry_id: str) -> Candidate:
    """Make a candidate of the exact tier."""
    return Candidate(entry_id, f"text of {entry_id}", "web", Kind.EXACT, 1.0, 1.0, {}, None)


def nothing(reason: Reason = Reason.GUARD) -> Candidate:
    """Make what a text without a candidate gets."""
    return Candidate(None, None, "web", None, -math.inf, 0.5, {}, reason)


def measured(
    pairs: Sequence[tuple[LabelledQuery, Candidate]],
    *,
    promises: Sequence[CertifiedLevel] = PROMISES,
    own: float = 0.1,
    others: Sequence[Certificate] = (),
    max_error: float | None = None,
    name: str = "demo",
) -> Evaluation:
    """Measure pairs of query and candidate, in a bundle that promises 10 % to callers who name no error."""
    return measure(
        [q for q, _ in pairs],
        [c for _, c in pairs],
        entries=ENTRIES,
        certificates=[Certificate("web", own, CALIBRATION, tuple(promises)), *others],
        max_error=max_error,
        name=name,
        bundle_id="0123456789abcdef0123456789abcdef",
    )


def lively(
    n: int = 3000, *, text: str = "how do i reset my password on the new portal", name: str = "demo"
) -> Evaluation:
    """Make an evaluation of many queries, as a good verifier would give."""
    rng = random.Random(7)
    kinds = ("paraphrase", "typo", "negation", "number change", "out of scope")
    pairs = []
    for i in range(n):
        kind = kinds[min(4, int(rng.expovariate(0.8)))]
        entry_id = None if kind == "out of scope" else rng.choice("abc")
        confidence = rng.betavariate(0.6, 0.9) if entry_id is None else rng.betavariate(2.2, 0.7)
        is_right = entry_id is not None and rng.random() < confidence**0.5
        served = entry_id if is_right and entry_id else "c" if entry_id in {"a", "b", None} else "a"
        candidate = exact(served) if is_right and i % 40 == 0 else semantic(served, confidence)
        if entry_id is None and i % 3 == 0:
            candidate = nothing(rng.choice([Reason.GUARD, Reason.UNKNOWN_WORD]))
        pairs.append((query(entry_id, f"{text} {i}", kind=kind), candidate))
    promises = (
        CertifiedLevel(0.005, None, 310, 0, 288),
        CertifiedLevel(0.01, None, 290, 1, 183),
        CertifiedLevel(0.02, 0.985, 640, 6, 0),
        CertifiedLevel(0.05, 0.93, 1200, 47, 0),
        CertifiedLevel(0.1, 0.78, 1700, 150, 0),
    )
    return measured(pairs, promises=promises, name=name)
