"""What a new version must keep to, each with what was found and what is allowed. Numbers in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from semcache.config import BuildConfig, GateConfig
from semcache.core.certificate import Certificate
from semcache.core.certify import interval
from semcache.core.manifest import Manifest
from semcache.core.sizes import size_text
from semcache.lookup.collisions import Collision
from semcache.lookup.evaluate import Evaluation
from semcache.rebuild.comparison import Comparison
from semcache.types import Kind

DAMAGE = "damage"

Unit = Literal["share", "count", "ratio"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that a new version must keep to.

    Attributes:
        name: what it is about.
        found: what was measured; None where nothing could be, which passes.
        allowed: the bound.
        is_least: whether `found` may not be under it; else it may not be over.
        unit: of both numbers: a share of 1, a count, or a ratio.
        detail: one sentence for a person.
    """

    name: str
    found: float | None
    allowed: float
    is_least: bool
    unit: Unit
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the version may go live, as far as this goes."""
        if self.found is None:
            return True
        return self.found >= self.allowed if self.is_least else self.found <= self.allowed


@dataclass(frozen=True, slots=True)
class Delta:
    """What a release would cost its readers.

    Attributes:
        new_bytes: what a reader of the last release must fetch.
        size_bytes: of the whole release.
        is_first: whether the remote offers no release yet.
    """

    new_bytes: int
    size_bytes: int
    is_first: bool


def gates_of(
    manifest: Manifest,
    problems: list[str],
    *,
    comparison: Comparison | None,
    evaluation: Evaluation | None,
    delta: Delta | None,
    had_version: bool,
    config: GateConfig,
    build: BuildConfig,
) -> tuple[Gate, ...]:
    """Return the verdict on a new version.

    Args:
        manifest: of the new version.
        problems: that a check of every byte found in it.
        comparison: with the version that would be replaced; None where there is none.
        evaluation: of the new version; None without evaluation queries.
        delta: what publishing would cost; None where nothing is published.
        had_version: whether there was a version here before.
        config: the bounds.
        build: the bounds of recall.
    """
    return (
        _check(problems),
        *_recall(manifest, build),
        _certified_error(evaluation, config),
        _lost(comparison, had_version=had_version or (delta is not None and not delta.is_first)),
        *_against_live(manifest, comparison, config),
        _update(delta, config),
    )


def _most(name: str, found: float | None, allowed: float, unit: Unit, detail: str) -> Gate:
    return Gate(name, found, allowed, is_least=False, unit=unit, detail=detail)


def _check(problems: list[str]) -> Gate:
    detail = "every byte, record and probe was checked" if not problems else "; ".join(problems[:3])
    return _most(DAMAGE, len(problems), 0, "count", detail)


def _recall(manifest: Manifest, build: BuildConfig) -> Iterator[Gate]:
    index = manifest.index
    detail = f"of a {index.kind} index, on {index.recall_queries:,} rows"
    yield Gate("recall@1", index.recall_at_1, build.min_recall_at_1, is_least=True, unit="share", detail=detail)
    yield Gate("recall@10", index.recall_at_10, build.min_recall_at_10, is_least=True, unit="share", detail=detail)


def _certified_error(evaluation: Evaluation | None, config: GateConfig) -> Gate:
    name, allowed = "certified error", config.max_broken_namespaces
    if evaluation is None:
        return _most(name, None, allowed, "count", "no evaluation queries")
    broken, served = [row.namespace for row in evaluation.shown if row.is_broken], evaluation.served
    low, high = interval(served.n_wrong, served.n_hits)
    n_exact = sum(row.served.n_hits for row in evaluation.kinds if row.name == Kind.EXACT)
    detail = f"{served.n_wrong:,} of {served.n_hits:,} hits wrong, 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    if n_exact:
        detail += f"; {n_exact:,} are texts of the corpus and prove nothing"
    if broken:
        detail += f"; that contradicts the promise of {', '.join(broken)}"
    return _most(name, len(broken), allowed, "count", detail)


def _lost(comparison: Comparison | None, *, had_version: bool) -> Gate:
    is_lost = comparison is None and had_version
    detail = "there is one to compare with" if comparison is not None else "it is the first"
    if is_lost:
        detail = "no version here can be read, though there was one: pull what was published last into this root"
    return _most("lost versions", int(is_lost), 0, "count", detail)


def _against_live(manifest: Manifest, comparison: Comparison | None, config: GateConfig) -> Iterator[Gate]:
    """Yield what compares with the live version; without one there is nothing to find."""
    if comparison is None:
        bounds: tuple[tuple[str, float, Unit], ...] = (
            ("weaker promises", config.max_weaker_namespaces, "count"),
            ("lost coverage", config.max_coverage_loss, "share"),
            ("new wrong answers", config.max_new_wrong_share, "share"),
            ("new collisions", config.max_new_collisions, "count"),
            ("removed entries", config.max_removed_share, "share"),
            ("growth", config.max_growth, "ratio"),
        )
        for name, allowed, unit in bounds:
            yield _most(name, None, allowed, unit, "no live version to compare with")
        return
    yield _weaker(manifest, comparison.live, config)
    yield from _answers(comparison, config)
    yield _collisions(comparison.collisions, config)
    n, n_gone = comparison.live.counts.entries, len(comparison.changes.removed)
    detail = f"{n_gone:,} of {n:,} are gone"
    yield _most("removed entries", n_gone / max(1, n), config.max_removed_share, "share", detail)
    before, after = size_of_files(comparison.live), size_of_files(manifest)
    detail = f"files of {size_text(before)} before, {size_text(after)} now"
    yield _most("growth", after / max(1, before), config.max_growth, "ratio", detail)


def _weaker(manifest: Manifest, live: Manifest, config: GateConfig) -> Gate:
    now = {certificate.namespace: _promised(certificate) for certificate in manifest.decision.certificates}
    weaker = [
        f"{certificate.namespace}: {_level(before)} before, {_level(now[certificate.namespace])} now"
        for certificate in live.decision.certificates
        if certificate.namespace in now and (before := _promised(certificate)) < now[certificate.namespace]
    ]
    detail = "; ".join(weaker[:5]) or "no namespace is promised a larger error than before"
    return _most("weaker promises", len(weaker), config.max_weaker_namespaces, "count", detail)


def _promised(certificate: Certificate) -> float:
    """Return the error that callers are promised who name none; infinite where only exact hits are served."""
    level = certificate.level_for(None)
    return inf if level.threshold is None else level.max_error


def _level(error: float) -> str:
    return "nothing" if error == inf else f"{100 * error:g} %"


def _answers(comparison: Comparison, config: GateConfig) -> Iterator[Gate]:
    """Yield what became of right answers and of wrong ones, on the queries that both versions know."""
    lost, wrong = config.max_coverage_loss, config.max_new_wrong_share
    if comparison.evaluations is None:
        for name, allowed in (("lost coverage", lost), ("new wrong answers", wrong)):
            yield _most(name, None, allowed, "share", "no evaluation queries that both versions know")
        return
    before, after = (each.served for each in comparison.evaluations)
    n, right = after.n_queries, [served.n_hits - served.n_wrong for served in (before, after)]
    detail = f"{100 * right[0] / n:.1f} % answered rightly before, {100 * right[1] / n:.1f} % now, of {n:,} queries"
    yield _most("lost coverage", (right[0] - right[1]) / n, lost, "share", detail)
    detail = f"{before.n_wrong:,} answered wrongly before, {after.n_wrong:,} now, of {n:,} queries"
    yield _most("new wrong answers", (after.n_wrong - before.n_wrong) / n, wrong, "share", detail)


def _collisions(found: Sequence[Collision], config: GateConfig) -> Gate:
    told = [f"{one.text!r} of {one.entry_id} and {one.other_text!r} of {one.other_entry_id}" for one in found[:3]]
    detail = "no word tells " + "; ".join(told) if told else "some word tells each new text from those of other answers"
    return _most("new collisions", len(found), config.max_new_collisions, "count", detail)


def _update(delta: Delta | None, config: GateConfig) -> Gate:
    name, allowed = "update", config.max_delta_share
    if delta is None:
        return _most(name, None, allowed, "share", "nothing is published")
    if delta.is_first:
        return _most(name, None, allowed, "share", f"the first release, {size_text(delta.size_bytes)}")
    detail = f"{size_text(delta.new_bytes)} of {size_text(delta.size_bytes)} are new to readers"
    return _most(name, delta.new_bytes / max(1, delta.size_bytes), allowed, "share", detail)


def size_of_files(manifest: Manifest) -> int:
    """Return the size of a version's files, in bytes."""
    return sum(file.size_bytes for file in manifest.files.values())
