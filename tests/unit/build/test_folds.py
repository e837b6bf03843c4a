from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fitting import EMBEDDER, made_rows

from semcache.build import folds
from semcache.build.adapter import adapt_all
from semcache.build.fit_queries import Asked, Rows, plan_queries
from semcache.build.folds import Taught, can_adapt, fold_adapters, judge_by_folds, judge_learning, train
from semcache.build.judging import AskedPairs, embedded
from semcache.config import BuildConfig
from semcache.core.text import normalise
from semcache.core.vectors import FloatRows, unit_rows

CONFIG = BuildConfig(model="hashing")
N = 150
DIM = 64


def noisy(answers: npt.NDArray[np.int64], *, seed: int) -> FloatRows:
    """Give vectors of answers of which the louder half is noise."""
    rng = np.random.default_rng(seed)
    meaning = np.random.default_rng(0).normal(size=(N, DIM // 2))[answers]
    own = meaning + 0.2 * rng.normal(size=meaning.shape)
    return unit_rows(np.hstack([own, 1.2 * rng.normal(size=own.shape)]).astype(np.float32))


def single() -> Rows:
    """Give rows of answers with one text each, by noisy vectors."""
    rows = made_rows(N, n_variants=1, with_guards=False)
    return replace(rows, vectors=noisy(rows.answers, seed=1))


def asked(n_each: int, *, seed: int) -> AskedPairs:
    """Give so many queries an answer."""
    answers = np.repeat(np.arange(N), n_each)
    vectors = noisy(answers, seed=seed)
    return [
        (Asked(f"query {seed} {i} of {answer}", frozenset({int(answer)}), None), vector)
        for i, (answer, vector) in enumerate(zip(answers, vectors, strict=True))
    ]


NOTHING = Taught.by((), dim=DIM)


def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[npt.NDArray[np.bool_], Taught]]:
    """Note what each adapter is trained on, in the order they are asked for, and train none."""
    monkeypatch.setattr(folds, "side_by_side", lambda trainings, **_: [training() for training in trainings])
    seen = list[tuple[npt.NDArray[np.bool_], Taught]]()

    def note(_: Rows, may_see: npt.NDArray[np.bool_], taught: Taught, __: BuildConfig) -> FloatRows:
        seen.append((may_see, taught))
        return np.eye(DIM, dtype=np.float32)

    monkeypatch.setattr(folds, "train", note)
    return seen


def test_only_queries_with_one_answer_teach() -> None:
    """Of others nobody knows where they belong."""
    vector = np.ones(DIM, np.float32)
    pairs = [(Asked(text, frozenset(right), None), vector) for text, right in (("a", {3}), ("b", {1, 2}), ("c", set()))]
    taught = Taught.by(pairs, dim=DIM)
    assert [query.text for query in taught.queries] == ["a"]
    assert taught.answers.tolist() == [3]
    assert taught.vectors.shape == (1, DIM)
    assert NOTHING.vectors.shape == (0, DIM)


def test_traffic_gives_siblings_to_answers_that_have_none() -> None:
    """Sixty answers with two texts are enough, wherever the second one comes from; guards are no answers."""
    rows, taught = single(), Taught.by(asked(1, seed=2), dim=DIM)
    assert not can_adapt(rows, NOTHING, CONFIG)
    assert can_adapt(rows, taught, CONFIG)
    assert not can_adapt(rows, taught, replace(CONFIG, adapter=False))
    assert not can_adapt(rows, taught.where(np.arange(N) < 59), CONFIG)
    assert can_adapt(rows, taught.where(np.arange(N) < 60), CONFIG)


def test_what_traffic_teaches_holds_for_other_queries() -> None:
    """The adapter learns which half is noise, so more of the others are nearest to their answer."""
    rows, taught = single(), Taught.by(asked(3, seed=2), dim=DIM)
    others = Taught.by(asked(1, seed=3), dim=DIM)

    def share_right(adapter: FloatRows | None) -> float:
        known, queries = adapt_all(rows.vectors, adapter), adapt_all(others.vectors, adapter)
        return float((rows.answers[(queries @ known.T).argmax(axis=1)] == others.answers).mean())

    adapter = train(rows, np.ones(N, np.bool_), taught, CONFIG)
    assert share_right(adapter) > share_right(None) + 0.15
    assert adapter.tobytes() == train(rows, np.ones(N, np.bool_), taught, CONFIG).tobytes()


def test_at_most_half_of_what_is_learned_from_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are what is looked up; however much traffic there is."""
    seen = list[tuple[FloatRows, npt.NDArray[np.int64]]]()

    def note(vectors: FloatRows, answers: npt.NDArray[np.int64], *, seed: int) -> FloatRows:
        assert seed == CONFIG.seed
        seen.append((vectors, answers))
        return np.eye(DIM, dtype=np.float32)

    monkeypatch.setattr(folds, "train_adapter", note)
    monkeypatch.setattr(folds, "_MAX_ADAPTER_ROWS", 100)
    rows, taught = single(), Taught.by(asked(3, seed=2), dim=DIM)
    train(rows, np.ones(N, np.bool_), taught, CONFIG)
    ((vectors, answers),) = seen
    of_rows = [any((vector == row).all() for row in rows.vectors) for vector in vectors]
    assert (len(vectors), len(answers), sum(of_rows)) == (100, 100, 50)


def test_a_query_is_judged_by_an_adapter_that_others_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor did another spelling of it teach that one; and each is judged once."""
    pairs = asked(3, seed=2)
    spelled = [(replace(query, text=f"  {query.text.upper()}?"), vector) for query, vector in pairs[:200]]
    everything = [*pairs, *spelled]
    seen, judged = noted(monkeypatch), list[set[str]]()

    def note(_: Rows, __: Any, own: AskedPairs, ___: Any, ____: BuildConfig) -> list[Any]:
        judged.append({query.text for query, _ in own})
        return [query for query, _ in own]

    monkeypatch.setattr(folds, "judge_traffic", note)
    outcomes = judge_learning(single(), everything, Taught.by(everything, dim=DIM), CONFIG)
    assert len(outcomes) == len(everything)
    assert set().union(*judged) == {query.text for query, _ in everything}
    assert min(len(texts) for texts in judged) > 100
    for texts, (may_see, taught) in zip(judged, seen, strict=True):
        assert may_see.all()
        assert {normalise(text) for text in texts}.isdisjoint(normalise(query.text) for query in taught.queries)
        assert len(taught.answers) > 350


def test_nothing_to_learn_from_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four adapters that nobody asks would cost a build seconds."""
    seen = noted(monkeypatch)
    assert judge_learning(single(), (), NOTHING, CONFIG) == []
    assert not seen


def test_an_answer_that_is_left_out_is_left_out_of_traffic_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its query, which must be missed, would be judged by an adapter that knows where it belongs."""
    seen, rows = noted(monkeypatch), made_rows(N)
    for fold, (may_see, taught) in zip(
        fold_adapters(rows, Taught.by(asked(1, seed=2), dim=DIM), CONFIG), seen, strict=True
    ):
        assert (fold.is_unseen == ~may_see).all()
        left_out = set(rows.answers[fold.is_unseen].tolist())
        if fold.for_outside:
            assert left_out.isdisjoint(taught.answers.tolist())
            assert 50 < len(taught.answers) < N
        else:
            assert len(taught.answers) == N


def test_a_text_in_two_namespaces_teaches_neither_of_its_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in one part with its copy, and an answer that is left out takes its texts along."""
    seen, rows = noted(monkeypatch), made_rows(N, n_namespaces=2)
    firsts = np.arange(len(rows.answers))
    firsts[1::2] = firsts[:-1:2]
    for fold, (may_see, _) in zip(fold_adapters(replace(rows, firsts=firsts), NOTHING, CONFIG), seen, strict=True):
        assert not np.isin(firsts[may_see], firsts[fold.is_unseen]).any()
        assert may_see.mean() > 0.3
        if not fold.for_outside:
            assert (fold.is_unseen == ~may_see).all()


def test_each_planned_query_is_judged_once() -> None:
    """By the one fold that it was left out of."""
    rows = made_rows(N)
    pairs = embedded(rows, plan_queries(rows, outside_share=0.4, seed=0), EMBEDDER.embed)
    judged = judge_by_folds(rows, pairs, fold_adapters(rows, NOTHING, CONFIG), CONFIG)
    texts = [outcome.query.text for outcome in judged]
    assert len(texts) == len(set(texts))
    assert len(pairs) * 0.9 < len(texts) <= len(pairs)
