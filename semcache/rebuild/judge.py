"""Judges a version that is about to go live: measures it, and says whether it passes its gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from semcache.bundle.check import check_bundle
from semcache.core.manifest import Manifest
from semcache.lookup.cache import Cache
from semcache.lookup.evaluate import Evaluation, evaluate
from semcache.rebuild.comparison import Comparison, compare
from semcache.rebuild.gates import DAMAGE, Delta, Gate, gates_of
from semcache.rebuild.plan import RebuildPlan
from semcache.types import LabelledQuery


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found out about a new version.

    Attributes:
        gates: what it must keep to, each with its verdict.
        manifest: of it.
        comparison: with the live version; None where there is none.
        evaluation: of it on all queries; None without queries.
        delta: what publishing it would cost; None where nothing is published.
    """

    gates: tuple[Gate, ...]
    manifest: Manifest
    comparison: Comparison | None
    evaluation: Evaluation | None
    delta: Delta | None

    @property
    def may_pass(self) -> bool:
        """Whether the same inputs may pass another time: damage, of a disk or an encoder, is no verdict on them."""
        return any(gate.name == DAMAGE for gate in self.failed)

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that it did not pass."""
        return tuple(gate for gate in self.gates if not gate.passed)


def judge(
    folder: Path,
    live: Path | None,
    *,
    plan: RebuildPlan,
    queries: Sequence[LabelledQuery],
    delta_of: Callable[[Path], Delta | None],
    had_version: bool,
) -> Judgement:
    """Measure a new version.

    Args:
        folder: of the version.
        live: folder of the one that would be replaced, or of the last one before it that can be read; None without any.
        plan: the bounds.
        queries: to evaluate both on; may be none.
        delta_of: says what publishing a version would cost.
        had_version: whether there was a version here before.

    Raises:
        BundleError, EncoderError, RemoteError, StorageError: it cannot be measured.
    """
    problems = check_bundle(folder)
    with Cache.open(folder) as cache:
        manifest, evaluation = cache.info.manifest, evaluate(cache, queries) if queries else None
    comparison = None if live is None else compare(live, folder, queries)
    delta = delta_of(folder)
    gates = gates_of(
        manifest,
        problems,
        comparison=comparison,
        evaluation=evaluation,
        delta=delta,
        had_version=had_version,
        config=plan.gates,
        build=plan.build,
    )
    return Judgement(gates, manifest, comparison, evaluation, delta)
