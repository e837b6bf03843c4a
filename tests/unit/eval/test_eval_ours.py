from __future__ import annotations

from dataclasses import dataclass

import eval_path  # noqa: F401 - makes the scripts importable
import numpy as np
import numpy.typing as npt
import pytest
from eval import ours
from eval.deciding import read
from eval.problem import Problem
from eval.retrieval import Floats, Labelled, search
from eval.splits import split

from semcache.core.verifier import SIGNS

N, DIM = 80, 16


def labelled(n_each: int, *, seed: int, n_groups: int = N) -> Labelled:
    """Give so many texts a group, with vectors near that of the group."""
    groups = np.repeat(np.arange(n_groups), n_each)
    rng = np.random.default_rng(seed)
    vectors = np.random.default_rng(0).normal(size=(n_groups, DIM))[groups] + 0.3 * rng.normal(size=(len(groups), DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = tuple(f"text {seed} {i} of {group}" for i, group in enumerate(groups))
    return Labelled(texts, vectors.astype(np.float32), groups, np.zeros(len(groups), np.int64))


@dataclass(frozen=True)
class Trained:
    """An adapter that changes nothing, and what it would have learned from."""

    adapter: Floats
    vectors: Floats
    groups: npt.NDArray[np.int64]


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Trained]:
    """Note what each adapter is trained on, in whatever order they are, and train none."""
    seen = list[Trained]()

    def note(vectors: Floats, groups: npt.NDArray[np.int64], *, seed: int) -> Floats:
        assert seed == 3
        trained = Trained(np.eye(DIM, dtype=np.float32), vectors, groups)
        seen.append(trained)
        return trained.adapter

    monkeypatch.setattr(ours, "train_adapter", note)
    return seen


def holds(vectors: Floats, asked: Labelled) -> npt.NDArray[np.bool_]:
    """Say of each text asked whether its vector is among some."""
    return np.array([(vectors == vector).all(axis=1).any() for vector in asked.vectors])


def test_an_adapter_learns_from_the_fit_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What chooses thresholds and what is reported never teaches; nor does a fit query judge what it taught."""
    known, queries = labelled(2, seed=1), labelled(10, seed=2, n_groups=N + 20)
    seen = noted(monkeypatch)
    problem = Problem(known, queries, split(len(queries), seed=3), search(known, queries), 3, "set")
    judged = list[tuple[Trained, Labelled]]()
    see = ours.Bundle.see

    def note_judged(bundle: ours.Bundle, asked: Labelled) -> ours.Seen:
        (by,) = [trained for trained in seen if trained.adapter is bundle._adapter]
        judged.append((by, asked))
        return see(bundle, asked)

    monkeypatch.setattr(ours.Bundle, "see", note_judged)
    found = read(problem)
    assert len(seen) == len(judged) == 5  # one for the others, four folds
    others = np.concatenate([problem.parts.calibration, problem.parts.test])
    fit = queries.at(problem.parts.fit)
    assert len({id(by) for by, _ in judged}) == 5
    for by, asked in judged:
        assert not holds(by.vectors, queries.at(others)).any()
        assert by.groups.max() < N  # a group that nobody knows teaches nothing
        if asked is not queries:
            assert not holds(by.vectors, asked).any()
    (of_others,) = [by for by, asked in judged if asked is queries]
    assert (holds(of_others.vectors, fit) == (fit.groups < N)).all()
    assert sum(len(asked) for _, asked in judged if asked is not queries) == len(fit)
    assert found.seen.x.shape == (len(queries), len(SIGNS))


def test_without_teaching_an_adapter_knows_known_phrasings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without an adapter nothing is learned."""
    known, queries = labelled(2, seed=1), labelled(10, seed=2)
    problem = Problem(known, queries, split(len(queries), seed=3), search(known, queries), 3, "set")
    seen = noted(monkeypatch)
    read(problem, is_taught=False)
    assert [len(trained.groups) for trained in seen] == [len(known)]
    read(problem, is_adapted=False)
    assert len(seen) == 1


def test_too_few_queries_grow_no_trees() -> None:
    """As in a build: fewer than 300 leave what ships."""
    seen = ours.Seen(np.zeros((400, len(SIGNS))), np.full(400, -1, np.int64))
    seen.answers[:299] = 0
    generic = ours.trees_without("banking77")
    is_right = np.arange(400) % 2 == 0
    assert ours.own_trees(generic, seen, is_right) is generic
    seen.answers[299] = 0
    assert len(ours.own_trees(generic, seen, is_right)) > len(generic)
