from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
from fitting import EMBEDDER, made_rows

from semcache.build import adapter, certifying, fit, fit_queries, own_trees
from semcache.build.certifying import Evidence, Trial, confidences
from semcache.build.fit import Fitted, Kept, fit_decision
from semcache.build.fit_queries import Asked, Planned, Rows, plan_fitting
from semcache.build.generic import generic_counts, generic_levels, generic_trees
from semcache.build.judging import Outcome, Pairs, judge, judge_twins
from semcache.build.known import Judged
from semcache.config import LEVELS, BuildConfig
from semcache.core.certificate import certify_namespace
from semcache.core.certify import CertifiedLevel
from semcache.core.draws import draw
from semcache.core.features import FEATURES
from semcache.core.learned import are_learned, digests
from semcache.core.vectors import unit_rows
from semcache.core.verifier import TREE

CONFIG = BuildConfig(model="hashing", adapter=False)


def fitted_on(rows: Rows, **changes: Any) -> Fitted:
    """Fit a decision without an adapter unless asked for."""
    return fit_decision(rows, config=replace(CONFIG, **changes), embed=EMBEDDER.embed)


def ships_nothing(patch: pytest.MonkeyPatch) -> None:
    """Put a verifier that knows nothing where the generic one is."""
    for module in (fit, own_trees):
        patch.setattr(module, "generic_trees", lambda: np.zeros(1, TREE))


def knowing_nothing(**changes: Any) -> Fitted:
    """Fit a corpus that is large enough for trees of its own, on top of a verifier that knows nothing."""
    with pytest.MonkeyPatch.context() as patch:
        ships_nothing(patch)
        return fitted_on(made_rows(700), max_error=0.1, **changes)


@cache
def large() -> Fitted:
    """Give such a decision, once."""
    return knowing_nothing()


def same(first: Fitted, second: Fitted) -> bool:
    """Say whether two decisions are the same to the bit."""
    names = ("row_facts", "answer_facts", "words", "rarity", "trees")
    arrays = all(getattr(first.arrays, n).tobytes() == getattr(second.arrays, n).tobytes() for n in names)
    adapters = [None if f.arrays.adapter is None else f.arrays.adapter.tobytes() for f in (first, second)]
    return arrays and adapters[0] == adapters[1] and first.info == second.info


def test_a_small_corpus_takes_what_ships() -> None:
    """Its verifier, and the levels that are certified elsewhere."""
    fitted = fitted_on(made_rows(12))
    assert fitted.arrays.trees.tobytes() == generic_trees().tobytes()
    assert (fitted.info.fitted, fitted.info.n_fitted) == ("generic", 0)
    (certificate,) = fitted.info.certificates
    assert certificate.calibration.source == "generic"
    assert (certificate.calibration.n_queries, certificate.calibration.n_outside) == generic_counts()
    shipped = {level.max_error: level.threshold for level in generic_levels()}
    assert all(level.threshold in (None, shipped[level.max_error]) for level in certificate.levels)


def test_a_decision_fits_its_rows() -> None:
    """One fact a row and an answer, features by name, the vectors that the index must hold."""
    rows = made_rows(12)
    fitted = fitted_on(rows)
    assert fitted.info.features == FEATURES
    assert fitted.info.n_trees == len(fitted.arrays.trees)
    assert (len(fitted.arrays.row_facts), len(fitted.arrays.answer_facts)) == (len(rows.answers), 12)
    assert fitted.arrays.answer_facts["n_rows"].tolist() == [4] * 12
    assert not fitted.info.has_adapter
    assert fitted.vectors is rows.vectors


def test_a_large_corpus_fits_trees_of_its_own_and_certifies_them() -> None:
    """On top of those that know nothing; half of its entries fit them and the others certify."""
    info, trees, certificate = large().info, large().arrays.trees, large().info.certificates[0]
    assert trees[:1].tobytes() == np.zeros(1, TREE).tobytes()
    assert len(trees) == info.n_trees > 1
    assert (info.fitted, certificate.calibration.source) == ("written", "written")
    assert info.n_fitted > 1000
    assert 250 < certificate.calibration.n_queries < 450
    assert 60 < certificate.calibration.n_outside < 250
    assert any(level.threshold is not None for level in certificate.levels)
    assert tuple(level.max_error for level in certificate.levels) == LEVELS


def test_a_decision_is_the_same_each_time() -> None:
    """To the bit, whatever was fitted before."""
    assert same(large(), knowing_nothing())


def test_another_seed_is_another_decision() -> None:
    """Other entries fit, other queries certify."""
    assert not same(large(), knowing_nothing(seed=1))


def test_no_threshold_is_outside_0_to_1() -> None:
    """What a guard keeps back is under each of them; a reader takes nothing else."""
    thresholds = [level.threshold for level in large().info.certificates[0].levels if level.threshold is not None]
    assert all(0.0 <= threshold <= 1.0 for threshold in thresholds)
    assert thresholds == sorted(thresholds, reverse=True)


def test_the_entries_that_fit_certify_nothing() -> None:
    """No query of theirs counts in the certificate."""
    fitting, held_out = set[int](), list[set[int]]()
    certify = certifying.certify_trial

    def note_fitting(rows: Rows, entries: set[int], *, seed: int) -> list[Any]:
        fitting.update(entries)
        return plan_fitting(rows, entries, seed=seed)

    def note_certifying(trial: Trial, *arguments: Any, alpha: float) -> Any:
        if trial.n_fitted:
            held_out.append({outcome.query.entry for outcome in trial.written})
        return certify(trial, *arguments, alpha=alpha)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "plan_fitting", note_fitting)
        patch.setattr(fit, "certify_trial", note_certifying)
        knowing_nothing()
    assert len(fitting) > 250
    assert len(held_out[0]) > 250
    assert fitting.isdisjoint(held_out[0])


def test_an_adapter_is_kept_where_it_raises_coverage() -> None:
    """Vectors of which the louder half is noise: with it, more queries find their answer."""
    rng = np.random.default_rng(0)
    rows = made_rows(150, with_guards=False)
    meaning = rng.normal(size=(150, 32))[rows.answers] + 0.2 * rng.normal(size=(len(rows.answers), 32))
    noisy = np.hstack([meaning, 1.2 * rng.normal(size=(len(rows.answers), 32))]).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "generic_trees", score_trees)
        fitted = fitted_on(replace(rows, vectors=noisy), adapter=True, outside_share=0.0)
        without = fitted_on(replace(rows, vectors=noisy), adapter=False)
    assert fitted.info.has_adapter
    assert fitted.arrays.adapter is not None
    assert fitted.arrays.adapter.shape == (64, 64)
    assert np.linalg.norm(fitted.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (without.info.has_adapter, without.arrays.adapter) == (False, None)


def score_trees() -> Any:
    """Give trees whose confidence rises with the margin, in steps."""
    trees = np.zeros(20, TREE)
    trees["threshold"] = 1e6
    trees["feature"][:, 0] = FEATURES.index("margin")
    trees["threshold"][:, 0] = np.linspace(0.0, 0.5, 20)
    trees["leaf"][:, :4], trees["leaf"][:, 4:] = -0.3, 0.3
    return trees


@pytest.fixture
def generic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a verifier that is sure of everything, and levels that promise everything."""
    sure = np.zeros(1, TREE)
    sure["leaf"] = 9.0
    levels = tuple(CertifiedLevel(level, 0.5, 1000, 0, 0) for level in LEVELS)
    monkeypatch.setattr(fit, "generic_trees", lambda: sure)
    monkeypatch.setattr(certifying, "generic_levels", lambda: levels)
    monkeypatch.setattr(certifying, "generic_counts", lambda: (9, 4))


@pytest.mark.usefixtures("generic")
def test_a_corpus_that_contradicts_a_generic_level_has_none() -> None:
    """Its own queries to be missed would all be served: the promise does not hold here; they say what is missing."""
    info = fitted_on(made_rows(120, with_guards=False), outside_share=0.6).info
    (certificate,) = info.certificates
    assert certificate.calibration.source == "written"
    assert [level.threshold for level in certificate.levels] == [None] * 5
    assert all(level.n_missing > 0 for level in certificate.levels)
    assert certificate.max_error == 0.02


@pytest.mark.usefixtures("generic")
def test_a_corpus_that_does_not_contradict_keeps_the_generic_levels() -> None:
    """Too few queries to say anything leave the promise as it was."""
    (certificate,) = fitted_on(made_rows(3, with_guards=False), outside_share=0.0).info.certificates
    assert [level.threshold for level in certificate.levels] == [0.5] * 5
    found = certificate.calibration
    assert (certificate.max_error, found.n_queries, found.n_outside) == (0.02, 9, 4)


@pytest.mark.usefixtures("generic")
def test_a_namespace_that_proves_little_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second one no two texts have one answer, so whatever is served there is wrong."""
    monkeypatch.setattr(fit_queries, "_REWORDED_SHARE", 0.0)
    rows, rng = made_rows(120, with_guards=False, n_namespaces=2), np.random.default_rng(0)
    answers = np.where(rows.namespaces == 1, 1000 + np.arange(len(rows.answers)), rows.answers)
    vectors = unit_rows((np.eye(120)[rows.entries] + 0.02 * rng.normal(size=(480, 120))).astype(np.float32))
    first, second = fitted_on(replace(rows, answers=answers, vectors=vectors), outside_share=0.0).info.certificates
    assert [certificate.namespace for certificate in (first, second)] == ["space 0", "space 1"]
    assert [level.threshold for level in first.levels] == [0.5] * 5
    assert [level.threshold for level in second.levels] == [None] * 5


def test_a_query_certifies_the_namespace_of_its_candidate() -> None:
    """Each of them once, wherever it was made."""
    with pytest.MonkeyPatch.context() as patch:
        ships_nothing(patch)
        info = fitted_on(made_rows(700, n_namespaces=2), max_error=0.1).info
    assert [certificate.calibration.source for certificate in info.certificates] == ["written", "written"]
    n_each = [certificate.calibration.n_queries for certificate in info.certificates]
    assert sum(n_each) == large().info.certificates[0].calibration.n_queries
    assert min(n_each) > 100


def asked_of(rows: Rows, n: int, *, n_outside: int, namespace: int | None = None) -> list[Asked]:
    """Give queries in a wording that no entry has, and some for things that are not there."""
    known, unknown = (
        [text for text in of.texts if text.startswith("how do I")] for of in (rows, made_rows(n_outside, seed=9))
    )
    inside = [Asked(f"{text} today", frozenset({i % len(known)}), namespace) for i, text in enumerate(known * 4)]
    inside = [replace(query, text=f"{query.text} {i // len(known)}") for i, query in enumerate(inside)]
    return [*inside[:n], *(Asked(f"{text} today", frozenset(), namespace) for text in unknown)]


def with_traffic(traffic: list[Asked], **changes: Any) -> Fitted:
    """Fit a corpus and traffic on top of a verifier that knows nothing."""
    with pytest.MonkeyPatch.context() as patch:
        ships_nothing(patch)
        config = replace(CONFIG, max_error=0.1, **changes)
        return fit_decision(made_rows(400), config=config, embed=EMBEDDER.embed, traffic=traffic)


def test_traffic_fits_and_certifies() -> None:
    """Two fifths of it fit trees, half certifies; the same each time."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    fitted = with_traffic(traffic)
    (certificate,) = fitted.info.certificates
    assert (fitted.info.fitted, certificate.calibration.source) == ("traffic", "traffic")
    assert fitted.info.n_fitted == fitted.traffic.n_to_fit
    assert 420 < fitted.info.n_fitted < 540
    assert certificate.calibration.n_queries == fitted.traffic.n_certifying["space 0"]
    assert 540 < certificate.calibration.n_queries < 660
    assert certificate.calibration.outside_share == pytest.approx(0.25, abs=0.05)
    assert certificate.level_for(None).threshold is not None
    assert same(fitted, with_traffic(traffic))


def test_plentiful_traffic_chooses_before_it_certifies() -> None:
    """One sort of trees is certified, with all of alpha, on queries that did not choose it; written queries try two."""
    choosing, certified = list[set[str]](), list[tuple[set[str], str, float]]()
    certify = certifying.certify_trial

    def note_choosing(outcomes: list[Outcome], seed: int, *, twins: Sequence[Outcome]) -> bool:
        choosing.append({outcome.query.text for outcome in outcomes})
        return own_trees.own_rank_better(outcomes, seed, twins=twins)

    def note_certifying(trial: Trial, evidence: Evidence, *arguments: Any, alpha: float) -> Any:
        certified.append(({outcome.query.text for outcome in evidence.traffic}, trial.fitted, alpha))
        return certify(trial, evidence, *arguments, alpha=alpha)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "own_rank_better", note_choosing)
        patch.setattr(fit, "certify_trial", note_certifying)
        with_traffic(asked_of(made_rows(400), 900, n_outside=300))
        with_traffic([])
    assert [found[1:] for found in certified] == [("traffic", 0.05), ("generic", 0.025), ("written", 0.025)]
    assert len(choosing[0]) > 420
    assert len(certified[0][0]) > 540
    assert choosing[0].isdisjoint(certified[0][0])


def certifying_texts(traffic: list[Asked], kept: Kept | None = None, **changes: Any) -> tuple[Fitted, set[str]]:
    """Fit on traffic; give the decision, and which of the queries certified it."""
    certified, certify = list[set[str]](), certifying.certify_trial

    def note(trial: Trial, evidence: Evidence, *arguments: Any, alpha: float) -> Any:
        certified.append({outcome.query.text for outcome in evidence.traffic})
        return certify(trial, evidence, *arguments, alpha=alpha)

    with pytest.MonkeyPatch.context() as patch:
        ships_nothing(patch)
        patch.setattr(fit, "certify_trial", note)
        patch.setattr(adapter, "_STEPS", 10)  # what it learned from is asked, not how well
        config = replace(CONFIG, max_error=0.1, **changes)
        fitted = fit_decision(made_rows(400), config=config, embed=EMBEDDER.embed, traffic=traffic, kept=kept)
    assert certified
    assert all(texts == certified[0] for texts in certified)
    return fitted, certified[0]


def test_what_traffic_taught_is_written_down_and_certifies_nothing() -> None:
    """Digests of the two fifths, whatever their label; none of those that certify is among them."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    fitted, certified = certifying_texts(traffic)
    learned = fitted.arrays.learned
    assert len(learned) == fitted.info.n_learned == fitted.traffic.n_to_fit
    assert not are_learned(sorted(certified), learned).any()
    assert are_learned([query.text for query in traffic], learned).sum() == len(learned)
    fitted, _ = certifying_texts(traffic[:100])
    assert (fitted.info.n_learned, len(fitted.arrays.learned)) == (0, 0)


def test_what_is_not_learned_from_is_parted_draw_by_draw() -> None:
    """A text that is asked every other time certifies as often as it is asked, unless it is one that teaches."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    often = [replace(traffic[0], text=f"how do I get something so often {i}") for i in range(20)]
    n_certifying = list[int]()
    for query in often:
        mixed = [one for pair in zip(traffic, [query] * len(traffic), strict=True) for one in pair]
        parts = fit._parted(mixed, EMBEDDER.embed, CONFIG, None)
        n_certifying.append(sum(one.text == query.text for one, _ in parts.certifying))
        n_grid = sum(one.text == query.text for one, _ in parts.grid)
        n_learning = sum(one.text == query.text for one, _ in parts.learning)
        assert n_certifying[-1] + n_grid + n_learning == len(traffic)
        assert n_learning in {0, len(traffic)}
    assert all(n == 0 or 900 < n < 1020 for n in n_certifying)
    assert 6 <= sum(n > 0 for n in n_certifying) <= 18


def test_too_little_to_learn_from_is_parted_draw_by_draw_too() -> None:
    """A certificate of little traffic rests on four fifths of it, whatever texts the seed would have learned from."""
    traffic = asked_of(made_rows(400), 150, n_outside=50)
    parts = fit._parted([*traffic, *traffic[:1] * 100], EMBEDDER.embed, CONFIG, None)
    assert (len(parts.learning), len(parts.grid) + len(parts.certifying)) == (0, 300)
    assert 60 <= sum(one.text == traffic[0].text for one, _ in parts.certifying) <= 95
    old = digests(query.text for query in traffic[1:])
    parts = fit._parted(traffic, EMBEDDER.embed, CONFIG, Kept(None, old, digests(())))
    assert not are_learned([one.text for one, _ in parts.certifying], old).any()


def test_a_wrong_answer_that_is_asked_for_often_is_found_out_though_it_is_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where chance takes it into what teaches, no query that certifies says a word about it."""
    rows = made_rows(400, with_guards=False)
    traffic, config = asked_of(rows, 900, n_outside=0), replace(CONFIG, max_error=0.05)
    # As near as can be to an answer that is wrong for it.
    text = next(text for text in rows.texts[:400] if draw(config.seed, "traffic", text) < 0.4)
    asked = [*traffic, *[Asked(text, frozenset({399}), None)] * 200]
    monkeypatch.setattr(fit, "own_rank_better", lambda *_, **__: False)  # trees that know nothing of it
    monkeypatch.setattr(fit, "generic_trees", score_trees)

    def levels() -> list[bool]:
        fitted = fit_decision(rows, config=config, embed=EMBEDDER.embed, traffic=asked)
        (certificate,) = fitted.info.certificates
        assert certificate.calibration.source == "traffic"
        return [level.threshold is not None for level in certificate.levels]

    assert levels() == [False] * 5
    monkeypatch.setattr(
        certifying, "certify_namespace", lambda *a, **named: certify_namespace(*a, **{**named, "everything": None})
    )
    assert levels() == [False, True, True, True, True]


def test_what_an_adapter_learned_never_certifies_a_version_that_keeps_it() -> None:
    """Another seed draws other parts: what the kept one saw teaches again, and what it saw before stays noted."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    gone, identity = digests(["asked last year"]), np.eye(64, dtype=np.float32)
    first, certified_first = certifying_texts(traffic)
    kept = Kept(identity, first.arrays.learned, gone)
    second, certified = certifying_texts(traffic, kept, seed=1, adapter=True)
    assert second.info.has_adapter
    assert len(certified_first - certified) > 200  # the other seed draws others
    assert not are_learned(sorted(certified), first.arrays.learned).any()
    assert not are_learned(sorted(certified), second.arrays.learned).any()
    assert np.isin(kept.known, second.arrays.learned).all()
    assert second.info.n_learned == second.traffic.n_to_fit + 1


def test_what_was_indexed_once_never_certifies_a_version_that_keeps_the_adapter() -> None:
    """A phrasing that left the corpus and comes back as traffic is one that the adapter knows."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    _, certified = certifying_texts(traffic)
    gone = digests(sorted(certified)[:100])
    fitted, others = certifying_texts(traffic, Kept(np.eye(64, dtype=np.float32), digests(()), gone), adapter=True)
    assert not are_learned(sorted(others), gone).any()
    assert np.isin(gone, fitted.arrays.learned).all()


def test_a_tuned_encoder_has_seen_what_is_written() -> None:
    """So no written query proves a level or fits trees; traffic proves as ever."""
    with pytest.MonkeyPatch.context() as patch:
        ships_nothing(patch)
        config = replace(CONFIG, max_error=0.1)
        fitted = fit_decision(made_rows(700), config=config, embed=EMBEDDER.embed, is_tuned=True)
        traffic = asked_of(made_rows(400), 900, n_outside=300)
        asked = fit_decision(made_rows(400), config=config, embed=EMBEDDER.embed, traffic=traffic, is_tuned=True)
    (certificate,) = fitted.info.certificates
    assert (fitted.info.fitted, certificate.calibration.source) == ("generic", "generic")
    (certificate,) = asked.info.certificates
    assert (asked.info.fitted, certificate.calibration.source) == ("traffic", "traffic")
    assert large().info.certificates[0].calibration.source == "written"


def test_a_version_without_an_adapter_remembers_only_its_own_traffic() -> None:
    """Trees are grown anew each time: nothing of what earlier ones saw is left in them."""
    traffic = asked_of(made_rows(400), 900, n_outside=300)
    fitted, _ = certifying_texts(traffic, Kept(None, digests(["asked last year"]), digests(())))
    assert fitted.info.n_learned == fitted.traffic.n_to_fit


def test_traffic_says_whether_there_is_an_adapter() -> None:
    """One text an entry has nothing to learn from; with its queries there is, and coverage is asked of them."""
    rng = np.random.default_rng(0)
    rows = made_rows(150, n_variants=1, with_guards=False)
    meaning = rng.normal(size=(150, 32))

    def noisy(answers: Any) -> Any:
        own = meaning[answers] + 0.2 * rng.normal(size=(len(answers), 32))
        return unit_rows(np.hstack([own, 1.2 * rng.normal(size=own.shape)]).astype(np.float32))

    traffic = [
        Asked(f"how do I get {i} of {answer}", frozenset({answer}), None) for answer in range(150) for i in range(8)
    ]
    vectors = dict(zip((query.text for query in traffic), noisy(np.repeat(np.arange(150), 8)), strict=True))

    def embed(texts: Sequence[str]) -> Any:
        return np.stack([vectors.get(text, np.ones(64, np.float32) / 8) for text in texts])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "generic_trees", score_trees)
        rows = replace(rows, vectors=noisy(rows.answers))
        config = replace(CONFIG, adapter=True, max_error=0.1)
        fitted = fit_decision(rows, config=config, embed=embed, traffic=traffic)
        assert not fit_decision(rows, config=config, embed=embed).info.has_adapter
    assert fitted.info.has_adapter
    assert fitted.info.certificates[0].calibration.source == "traffic"


def test_traffic_that_own_trees_do_not_rank_better_certifies_those_that_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of alpha, too."""
    monkeypatch.setattr(fit, "own_rank_better", lambda *_, **__: False)
    fitted = with_traffic(asked_of(made_rows(400), 900, n_outside=300))
    (certificate,) = fitted.info.certificates
    assert (fitted.info.fitted, fitted.info.n_fitted, fitted.info.n_trees) == ("generic", 0, 1)
    assert certificate.calibration.source == "traffic"


def test_trees_fitted_on_traffic_doubt_near_twins() -> None:
    """Behind the own ones stand 40 that are fitted on twins, which saw every row as traffic does."""
    made = list[Outcome]()

    def note(*arguments: Any) -> list[Outcome]:
        made.extend(judge_twins(*arguments))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "judge_twins", note)
        fitted = with_traffic(asked_of(made_rows(400), 900, n_outside=300))
    assert len(made) > 1000
    assert not any(outcome.judged.is_right for outcome in made)
    n_rows = {round(float(np.exp(outcome.judged.features[FEATURES.index("answer_rows")]))) for outcome in made}
    assert n_rows == {4}  # none of an answer's rows is left out
    served = [outcome for outcome in made if not outcome.judged.is_guarded]
    doubted, before = (confidences(trees, served) for trees in (fitted.arrays.trees, fitted.arrays.trees[:-40]))
    assert doubted.mean() < 0.9 * before.mean()


def test_no_entry_has_twins_that_fit_and_twins_that_certify() -> None:
    """Trees fitted on twins of the very entries whose twins certify would prove what they learned by heart."""
    fitted, certifying_twins = set[int](), set[int]()

    def note_fitting(learning: Sequence[Outcome], twins: Sequence[Outcome]) -> Any:
        fitted.update(twin.query.entry for twin in twins)
        return own_trees.with_own(learning, twins)

    def note_certifying(trial: Trial, *arguments: Any, alpha: float) -> Any:
        assert trial.fitted == "traffic"
        certifying_twins.update(one.query.entry for one in trial.written if one.query.kind == "twin")
        return certify(trial, *arguments, alpha=alpha)

    certify = certifying.certify_trial
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "with_own", note_fitting)
        patch.setattr(fit, "certify_trial", note_certifying)
        with_traffic(asked_of(made_rows(400), 900, n_outside=300))
    assert min(len(fitted), len(certifying_twins)) > 10
    assert fitted.isdisjoint(certifying_twins)


def test_nor_has_one_that_shares_a_text_with_it() -> None:
    """A twin of the same text in another namespace is the same twin, word for word."""
    rows = made_rows(60, with_guards=False, n_namespaces=2)
    firsts = np.arange(len(rows.answers))
    firsts[4:8] = firsts[0:4]  # entry 1 has the texts of entry 0
    asked = [Planned("twin", "a twin", 0, 0, 0, is_new=True)]
    written = [Outcome(planned, cast("Judged", None), 0) for planned in asked]
    before = {twin.entry for twin in fit._plan_twins(rows, [], CONFIG)}
    after = {twin.entry for twin in fit._plan_twins(replace(rows, firsts=firsts), written, CONFIG)}
    assert before - after == {0, 1}


def test_what_chooses_an_adapter_certifies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an entry with two texts another draw would often ask for the very same one."""
    rows, asked = made_rows(200, n_variants=2), list[list[str]]()

    def note(rows: Rows, pairs: Pairs, *rest: Any) -> list[Outcome]:
        asked.append([query.text for query, _ in pairs])
        return judge(rows, pairs, *rest)

    monkeypatch.setattr(fit, "judge", note)
    fitted_on(rows)
    choosing, certifying = asked[:2]
    assert min(len(choosing), len(certifying)) > 50
    assert set(choosing).isdisjoint(certifying)


def test_too_little_traffic_leaves_the_build_as_it_was() -> None:
    """Written queries fit and certify, and the report says what is missing."""
    fitted, without = with_traffic(asked_of(made_rows(400), 30, n_outside=10)), with_traffic([])
    assert same(fitted, without)
    assert fitted.info.certificates[0].calibration.source == "written"
    assert (fitted.traffic.n_to_fit_needed, fitted.traffic.n_needed) == (300, 36)
    assert 0 < fitted.traffic.n_certifying["space 0"] < 36


@pytest.mark.usefixtures("generic")
def test_too_little_traffic_can_still_contradict() -> None:
    """Sixty queries prove no 2 %; where all are answered wrong, nothing that was certified elsewhere is believed."""
    rows = made_rows(3, with_guards=False)
    wrong = [Asked(f"how do I get along {i}", frozenset(), None) for i in range(120)]
    (certificate,) = fit_decision(rows, config=CONFIG, embed=EMBEDDER.embed, traffic=wrong).info.certificates
    assert certificate.calibration.source == "written"
    assert [level.threshold for level in certificate.levels] == [None] * 5


def test_traffic_is_looked_up_in_the_namespace_that_it_names() -> None:
    """There it has its candidate, though its answer lies in the other one."""
    rows = made_rows(40, n_namespaces=2)
    in_first = [query for query in asked_of(rows, 40, n_outside=0) if query.answers <= set(range(0, 40, 2))]
    for namespace, name in enumerate(rows.namespace_names):
        traffic = [replace(query, namespace=namespace) for query in in_first]
        use = fit_decision(rows, config=CONFIG, embed=EMBEDDER.embed, traffic=traffic).traffic
        assert [space for space, n in use.n_certifying.items() if n] == [name]


@pytest.mark.parametrize("n_entries", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_corpora_have_a_decision(n_entries: int, seed: int) -> None:
    """Whatever is left out of so little: a query that then finds nothing counts for nothing."""
    assert fitted_on(made_rows(n_entries), seed=seed).info.certificates[0].calibration.source == "generic"


def test_rows_without_a_vector_fit_nothing() -> None:
    """A corpus of texts that cannot be embedded is built all the same."""
    rows = made_rows(4)
    fitted = fitted_on(replace(rows, vectors=np.zeros_like(rows.vectors)))
    assert fitted.info.certificates[0].calibration.source == "generic"
    assert np.isfinite(fitted.arrays.row_facts["hardness"]).all()
