from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fitting import EMBEDDER, made_rows

from semcache.build import own_trees
from semcache.build.certifying import confidences
from semcache.build.fit_queries import plan_queries, plan_twins
from semcache.build.generic import generic_trees
from semcache.build.judging import Outcome, embedded, judge, judge_twins, known_rows
from semcache.build.own_trees import mean_coverage, own_rank_better, with_own
from semcache.config import BuildConfig
from semcache.core.features import FEATURES
from semcache.core.lexical import MISMATCHES
from semcache.core.verifier import TREE, weakened

CONFIG = BuildConfig(model="hashing", adapter=False)
FACTS = [i for i, name in enumerate(FEATURES) if name in MISMATCHES]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Give judged queries of a corpus, a part of them to be missed."""
    rows = made_rows(500)
    planned = plan_queries(rows, outside_share=0.4, seed=0)
    return judge(rows, embedded(rows, planned, EMBEDDER.embed), None, CONFIG)


@pytest.fixture(scope="module")
def twins() -> list[Outcome]:
    """Give near twins of the same corpus that get the answer of their text."""
    rows = made_rows(500)
    known = known_rows(rows, rows.vectors, CONFIG)
    return judge_twins(rows, known, embedded(rows, plan_twins(rows, seed=0), EMBEDDER.embed), None)


def labelled_at_random(outcomes: list[Outcome]) -> list[Outcome]:
    """Give the same queries with labels that nothing foretells."""
    rights = np.random.default_rng(0).random(len(outcomes)) < 0.5
    return [
        replace(outcome, judged=replace(outcome.judged, is_right=bool(is_right)))
        for outcome, is_right in zip(outcomes, rights, strict=True)
    ]


def test_own_trees_stand_on_half_of_those_that_ship(outcomes: list[Outcome]) -> None:
    """First the generic ones, each saying half, then a line's, then 80 more; nothing to fit on leaves what ships."""
    trees = with_own(outcomes)
    n_generic = len(generic_trees())
    assert trees[:n_generic].tobytes() == weakened(generic_trees(), 0.5).tobytes()
    assert 1 < len(trees) - n_generic - 80 <= len(FEATURES) + 1
    assert with_own([]).tobytes() == generic_trees().tobytes()


def test_the_line_ranks_what_is_surest(outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """With it more of the queries it never saw are served at the strictest levels, where few teach anything."""
    monkeypatch.setattr(own_trees, "generic_trees", lambda: np.zeros(1, TREE))
    is_first = np.random.default_rng(0).random(len(outcomes)) < 0.3
    learned = [outcome for outcome, is_one in zip(outcomes, is_first, strict=True) if is_one]
    others = [outcome for outcome, is_one in zip(outcomes, is_first, strict=True) if not is_one]
    with_line = mean_coverage(confidences(with_own(learned), others), others)
    monkeypatch.setattr(own_trees, "LINE_SHARE", 0.0)
    assert with_line > mean_coverage(confidences(with_own(learned), others), others)


def test_trees_that_doubt_stand_on_own_ones(outcomes: list[Outcome], twins: list[Outcome]) -> None:
    """Forty more, the others to the bit; they doubt twins, and nothing in which no fact differs."""
    own, doubting = with_own(outcomes), with_own(outcomes, twins)
    assert doubting[: len(own)].tobytes() == own.tobytes()
    assert len(doubting) == len(own) + 40
    served = [outcome for outcome in outcomes if not outcome.judged.is_guarded]
    lowered = confidences(own, served) - confidences(doubting, served)
    differs = np.array([bool(outcome.judged.features[FACTS].any()) for outcome in served])
    assert (lowered[~differs] == 0.0).all()
    assert (lowered >= 0.0).all()
    made = [twin for twin in twins if not twin.judged.is_guarded]
    assert confidences(doubting, made).mean() < 0.9 * confidences(own, made).mean()


def test_queries_that_are_right_outweigh_twins(outcomes: list[Outcome], twins: list[Outcome]) -> None:
    """A tenth of their weight doubts what all of them say is no other question: nine in ten remain."""
    made = [twin for twin in twins if not twin.judged.is_guarded]
    queries = [*outcomes, *(replace(twin, judged=replace(twin.judged, is_right=True)) for twin in made)]
    assert confidences(with_own(queries, made), made).mean() == pytest.approx(0.9, abs=0.02)
    assert confidences(with_own(outcomes, made), made).mean() < 0.5


def test_twins_that_a_guard_catches_teach_nothing(outcomes: list[Outcome], twins: list[Outcome]) -> None:
    """They are never served, so there is nothing to doubt."""
    caught = [replace(twin, judged=replace(twin.judged, is_guarded=True)) for twin in twins]
    assert with_own(outcomes, caught).tobytes() == with_own(outcomes).tobytes()


def test_twins_take_part_in_the_choice(outcomes: list[Outcome], twins: list[Outcome]) -> None:
    """What is compared are the trees that a build would take: with those that doubt."""
    seen = list[int]()

    def note(_outcomes: list[Outcome], made: list[Outcome]) -> npt.NDArray[Any]:
        seen.append(len(made))
        return generic_trees()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_trees, "with_own", note)
        assert not own_rank_better(outcomes, 0, twins=twins)
    assert seen == [len(twins)] * 5


def test_own_trees_are_better_than_none(outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what ships knows nothing, queries teach something that holds for others."""
    monkeypatch.setattr(own_trees, "generic_trees", lambda: np.zeros(1, TREE))
    assert own_rank_better(outcomes, seed=0)


def test_what_trees_learned_by_heart_earns_them_nothing(
    outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels without a rule: trees that saw them rank them better, but each query is judged by trees that did not."""
    monkeypatch.setattr(own_trees, "_LEVELS", (0.45,))
    random = labelled_at_random(outcomes)
    seen = confidences(with_own(random), random)
    unseen = confidences(generic_trees(), random)
    assert mean_coverage(seen, random) > mean_coverage(unseen, random) + 0.3
    assert not all(own_rank_better(random, seed=seed) for seed in range(6))


def test_coverage_is_a_mean_over_levels(outcomes: list[Outcome]) -> None:
    """With all right ones first it is what each level allows: right hits and so many wrong ones beside them."""
    right = np.array([outcome.judged.is_right for outcome in outcomes])
    share = float(right.mean())
    allowed = [share / (1 - level) for level in (0.02, 0.05, 0.10, 0.20)]
    assert mean_coverage(right.astype(np.float64) - np.arange(len(right)) * 1e-6, outcomes) == pytest.approx(
        sum(allowed) / 4, abs=0.01
    )
    assert mean_coverage(np.zeros(0), []) == 0.0
