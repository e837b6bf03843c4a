from __future__ import annotations

from dataclasses import replace

import pytest
from evaluating import exact, measured, nothing, query, semantic
from shared import REPOSITORY

from semcache.bundle.compare import Changes, EntryChange
from semcache.config import BuildConfig, GateConfig
from semcache.core.certificate import CalibrationInfo, Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.manifest import FileInfo, Manifest, parse_manifest
from semcache.lookup.collisions import Collision
from semcache.lookup.evaluate import Evaluation
from semcache.rebuild.comparison import Comparison
from semcache.rebuild.gates import Delta, Gate, gates_of

GOLDEN = next((REPOSITORY / "tests" / "data" / "golden").glob("*/versions/*/manifest.json"))
MANIFEST = parse_manifest(GOLDEN.read_bytes())
NO_CHANGES = Changes((), (), (), n_same=MANIFEST.counts.entries, new_rows=())
CONFIG = GateConfig()


def comparison(
    *,
    live: Manifest = MANIFEST,
    changes: Changes = NO_CHANGES,
    n_collisions: int = 0,
    evaluations: tuple[Evaluation, Evaluation] | None = None,
) -> Comparison:
    """Make a comparison of a version with itself, but for what is given."""
    return Comparison(live, changes, (Collision(0.9, "n", "a", "1", "b", "2"),) * n_collisions, evaluations)


def judged(
    name: str,
    *,
    manifest: Manifest = MANIFEST,
    problems: list[str] | None = None,
    against: Comparison | None = None,
    evaluation: Evaluation | None = None,
    delta: Delta | None = None,
    had_version: bool = False,
    config: GateConfig = CONFIG,
    build: BuildConfig | None = None,
) -> Gate:
    """Return one gate's verdict."""
    gates = gates_of(
        manifest,
        problems or [],
        comparison=against,
        evaluation=evaluation,
        delta=delta,
        had_version=had_version,
        config=config,
        build=build or BuildConfig(),
    )
    return next(gate for gate in gates if gate.name == name)


def answered(n_right: int, n_wrong: int, n_missed: int) -> Evaluation:
    """Give an evaluation of so many queries."""
    return measured(
        [
            *[(query("a"), exact("a"))] * n_right,
            *[(query("a"), semantic("c", 0.9))] * n_wrong,
            *[(query("a"), nothing())] * n_missed,
        ]
    )


def promising(*errors: tuple[str, float | None]) -> Manifest:
    """Give a manifest whose namespaces are promised an error each, or None for nothing."""
    certificates = tuple(
        Certificate(
            namespace,
            error or 0.1,
            CalibrationInfo("written", 100, 40, 0.4, 0.05),
            (CertifiedLevel(error or 0.1, None if error is None else 0.8, 100, 0, 0),),
        )
        for namespace, error in errors
    )
    return replace(MANIFEST, decision=replace(MANIFEST.decision, certificates=certificates))


def test_without_a_live_version_nothing_is_compared() -> None:
    """What can be judged by itself is."""
    gates = gates_of(
        MANIFEST,
        [],
        comparison=None,
        evaluation=None,
        delta=None,
        had_version=False,
        config=CONFIG,
        build=BuildConfig(),
    )
    assert [(gate.name, gate.found is None, gate.passed) for gate in gates] == [
        ("damage", False, True),
        ("recall@1", False, True),
        ("recall@10", False, True),
        ("certified error", True, True),
        ("lost versions", False, True),
        ("weaker promises", True, True),
        ("lost coverage", True, True),
        ("new wrong answers", True, True),
        ("new collisions", True, True),
        ("removed entries", True, True),
        ("growth", True, True),
        ("update", True, True),
    ]


def test_a_damaged_version_fails() -> None:
    """And says what is damaged."""
    gate = judged("damage", problems=["index.faiss: other bytes"])
    assert (gate.passed, gate.found, gate.detail) == (False, 1, "index.faiss: other bytes")


@pytest.mark.parametrize(("found", "passed"), [(0.97, True), (0.9699, False)])
def test_recall_has_a_least(found: float, passed: bool) -> None:  # noqa: FBT001 - the parameter under test
    """The one that the build asked for."""
    manifest = replace(MANIFEST, index=replace(MANIFEST.index, recall_at_10=found))
    assert judged("recall@10", manifest=manifest, build=BuildConfig(min_recall_at_10=0.97)).passed is passed


@pytest.mark.parametrize(
    ("before", "after", "n_weaker"),
    [
        (0.02, 0.02, 0),
        (0.02, 0.01, 0),
        (None, None, 0),
        (None, 0.1, 0),
        (0.02, 0.05, 1),
        (0.05, None, 1),
    ],
)
def test_a_namespace_may_not_be_promised_less(before: float | None, after: float | None, n_weaker: int) -> None:
    """A larger error, or none any more; a namespace that is gone or new is no promise."""
    live, new = promising(("web", before), ("gone", 0.01)), promising(("web", after), ("new", None))
    gate = judged("weaker promises", manifest=new, against=comparison(live=live))
    assert (gate.found, gate.passed) == (n_weaker, n_weaker == 0)


def test_a_promise_that_queries_contradict_fails() -> None:
    """All of the interval has to be over what is promised: chance alone is no contradiction."""
    assert judged("certified error", evaluation=answered(99, 1, 0)).passed
    gate = judged("certified error", evaluation=answered(60, 40, 0))
    assert (gate.passed, gate.found) == (False, 1)
    assert gate.detail.startswith("40 of 100 hits wrong, 95 % interval 30.3 to 50.3 %; ")
    assert "contradicts the promise of web" in gate.detail


@pytest.mark.parametrize(("n_right", "passed"), [(80, True), (79, True), (78, False), (90, True)])
def test_one_point_of_coverage_may_be_lost(n_right: int, passed: bool) -> None:  # noqa: FBT001 - under test
    """Of right answers: exactly one point is allowed, a gain always."""
    both = (answered(80, 0, 20), answered(n_right, 0, 100 - n_right))
    gate = judged("lost coverage", against=comparison(evaluations=both))
    assert (gate.passed, gate.found) == (passed, (80 - n_right) / 100)


def test_wrong_answers_are_no_coverage() -> None:
    """What is served wrongly instead of rightly is lost."""
    both = (answered(80, 0, 20), answered(70, 10, 20))
    assert not judged("lost coverage", against=comparison(evaluations=both)).passed


def test_a_new_wrong_answer_fails() -> None:
    """Half a point more of them is allowed, fewer always: a wrong answer is worse than a miss."""
    for n_wrong, passed in ((3, True), (4, True), (5, False), (0, True)):
        both = (answered(100, 3, 97), answered(100, n_wrong, 100 - n_wrong))
        assert judged("new wrong answers", against=comparison(evaluations=both)).passed is passed


@pytest.mark.parametrize(
    ("had_version", "delta", "passed"),
    [
        (False, None, True),
        (True, None, False),
        (False, Delta(1, 2, is_first=False), False),
        (False, Delta(2, 2, is_first=True), True),
    ],
)
def test_a_version_that_was_lost_fails(had_version: bool, delta: Delta | None, passed: bool) -> None:  # noqa: FBT001
    """Where there was one, here or at the remote, nothing passes for want of a comparison."""
    assert judged("lost versions", had_version=had_version, delta=delta).passed is passed
    assert judged("lost versions", had_version=had_version, delta=delta, against=comparison()).passed


def test_exact_hits_are_told() -> None:
    """They are right whatever the verifier does."""
    assert judged("certified error", evaluation=answered(9, 1, 0)).detail.endswith(
        "; 9 are texts of the corpus and prove nothing"
    )


def test_collisions_and_removals_have_bounds() -> None:
    """A count, and a share of the live entries."""
    assert not judged("new collisions", against=comparison(n_collisions=1)).passed
    assert judged("new collisions", against=comparison(n_collisions=1), config=GateConfig(max_new_collisions=1)).passed
    n = MANIFEST.counts.entries
    gone = replace(NO_CHANGES, removed=(EntryChange("x", "?"),) * (n // 5 + 1))
    assert not judged("removed entries", against=comparison(changes=gone)).passed
    assert judged("removed entries", against=comparison(changes=gone), config=GateConfig(max_removed_share=1)).passed


@pytest.mark.parametrize(("n_bytes", "passed"), [(1500, True), (1501, False)])
def test_files_may_grow_by_half(n_bytes: int, passed: bool) -> None:  # noqa: FBT001 - the parameter under test
    """All of them together."""
    live, new = (replace(MANIFEST, files={"rows.npy": FileInfo(size, "0")}) for size in (1000, n_bytes))
    assert judged("growth", manifest=new, against=comparison(live=live)).passed is passed


def test_an_update_may_not_be_the_whole_release() -> None:
    """But the first release is."""
    assert not judged("update", delta=Delta(95, 100, is_first=False)).passed
    assert judged("update", delta=Delta(90, 100, is_first=False)).passed
    assert judged("update", delta=Delta(100, 100, is_first=True)).found is None
