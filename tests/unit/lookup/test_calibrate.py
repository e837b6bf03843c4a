from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shared import ENTRIES, HASHING, write_corpus

from semcache import Cache, LabelledQuery, build_bundle
from semcache.core.certificate import Certificate, certify_namespace
from semcache.errors import BundleNotFoundError, ConfigError
from semcache.lookup import calibrate as calibrating
from semcache.lookup.calibrate import CalibrationReport, KeptLevels, calibrate

SHELL, WEB = 0, 1


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root with a bundle of two namespaces, built for 2 %."""
    config = replace(HASHING, max_error=0.02)
    build_bundle([write_corpus(tmp_path / "small.jsonl", ENTRIES)], name="small", root=tmp_path, config=config)
    return tmp_path


def in_web(n: int, *, n_wrong: int = 0) -> list[LabelledQuery]:
    """Give queries for the login page, the first of them labelled with another answer."""
    texts = [f"now add login page{mark * times}" for times in range(1, n // 4 + 2) for mark in "!?.,"][:n]
    queries = [f"now add login page {chr(97 + i % 26)}{chr(97 + i // 26 % 26)}" for i, _ in enumerate(texts)]
    return [LabelledQuery(f"q:{i}", text, "db/setup" if i < n_wrong else "login/add") for i, text in enumerate(queries)]


def certificates(report: CalibrationReport) -> tuple[Certificate, ...]:
    """Give the certificates that are live now."""
    with Cache.open(report.path) as cache:
        return cache.info.manifest.decision.certificates


def test_a_namespace_that_no_query_leads_to_keeps_its_levels(root: Path) -> None:
    """It is as well proved as before; the other one rests on traffic now."""
    report = calibrate("small", in_web(400), root=root)
    shell, web = certificates(report)
    assert (report.kept, report.n_needed) == ({"shell": KeptLevels(0, 0, 0)}, 149)
    assert report.n_grid + web.calibration.n_queries == 400
    assert (shell.calibration.source, web.calibration.source) == ("generic", "traffic")
    assert shell == report.before.certificates[SHELL]
    assert 280 < web.calibration.n_queries < 360


def test_the_default_is_chosen_by_what_the_build_was_asked_for(root: Path) -> None:
    """A bundle that could only have 10 % certified has 2 % as soon as that is proved."""
    with_less = calibrate("small", in_web(60), root=root, max_error=0.1)
    assert with_less.after.certificates[WEB].calibration.source == "traffic"
    report = calibrate("small", in_web(400), root=root, max_error=0.02)
    assert report.before.certificates[WEB].level_at(0.02).threshold is None
    assert report.after.certificates[WEB].level_at(0.02).threshold is not None
    assert (report.after.certificates[WEB].max_error, report.after.wanted_error) == (0.02, 0.02)


def test_too_few_queries_take_away_what_they_contradict_only(root: Path) -> None:
    """A hundred cannot prove 2 %: right ones change nothing, six wrong ones leave the level that allows so many."""
    proved = calibrate("small", in_web(400), root=root)
    before = calibrate("small", in_web(100), root=root)
    kept = before.kept["web"]
    assert (kept.n_queries, kept.n_contradicted, before.n_grid) == (100, 0, 0)
    assert 65 <= kept.n_certifying <= 92
    assert before.after == before.before == proved.after
    assert before.id == proved.id
    report = calibrate("small", in_web(100, n_wrong=6), root=root)
    web = report.after.certificates[WEB]
    assert web.calibration == proved.after.certificates[WEB].calibration
    assert report.kept["web"].n_contradicted == 3
    assert [level.threshold is not None for level in web.levels] == [False, False, False, False, True]
    assert web.max_error == 0.1
    assert web.level_at(0.02).lack == "better queries than those that proved it contradict it"
    with Cache.open(report.path) as cache:
        result = cache.lookup("now add login page", max_error=0.02)
    assert not result.hit
    assert result.reason == "uncertified"
    assert result.detail.endswith("that proved it contradict it (semcache calibrate)")


def test_queries_that_leave_no_level_prove_what_they_can(root: Path) -> None:
    """Two fifths wrong, said by a hundred queries: nothing old is believed, and nothing new is proved."""
    calibrate("small", in_web(400), root=root)
    report = calibrate("small", in_web(100, n_wrong=40), root=root)
    web = report.after.certificates[WEB]
    assert "web" not in report.kept
    assert 0 < web.calibration.n_queries == 100 - report.n_grid
    assert {level.threshold for level in web.levels} == {None}


def test_one_wrong_query_takes_nothing_away(root: Path) -> None:
    """It may be a wrong label; two of two are none."""
    proved = calibrate("small", in_web(400), root=root)
    assert calibrate("small", in_web(1, n_wrong=1), root=root).after == proved.after
    after = calibrate("small", in_web(2, n_wrong=2), root=root).after.certificates[WEB]
    assert {level.threshold for level in after.levels} == {None}


def test_nothing_proved_is_left_as_it_was_by_nothing_to_prove(root: Path) -> None:
    """Where there was no level, a query or two say no better what is missing; so many that one is proved, do."""
    before = calibrate("small", in_web(400, n_wrong=360), root=root)
    after = calibrate("small", in_web(2), root=root)
    assert after.after == before.after
    assert after.kept["web"].n_queries == 2
    web = calibrate("small", in_web(80), root=root).after.certificates[WEB]
    assert (web.max_error, 59 <= web.calibration.n_queries < 149) == (0.05, True)
    assert [level.threshold is not None for level in web.levels] == [False, False, False, True, True]


def test_what_the_bundle_learned_from_proves_nothing_and_contradicts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong answer that is asked for often is as wrong where its text taught: a build would not serve it either."""
    often = [replace(query, text="now add login page zz", entry_id="db/setup") for query in in_web(200)]
    traffic = [*in_web(400), *often]
    learned = np.array([query.entry_id == "db/setup" for query in traffic])
    monkeypatch.setattr(calibrating, "were_learned", lambda *_: learned)
    report = calibrate("small", traffic, root=root)
    assert report.n_learned == 200
    assert {level.threshold for level in report.after.certificates[WEB].levels} == {None}
    monkeypatch.setattr(
        calibrating, "certify_namespace", lambda *a, **named: certify_namespace(*a, **{**named, "everything": None})
    )
    unguarded = calibrate("small", traffic, root=root).after.certificates[WEB]
    assert unguarded.level_at(0.05).threshold is not None


def test_labels_that_name_nothing_are_listed(root: Path) -> None:
    """Nothing is right for such a query: it counts as wrong, which the caller should know."""
    wrong = replace(in_web(1)[0], entry_id="login/ad")
    assert calibrate("small", [wrong, *in_web(3)], root=root).unknown == ("q:0: login/ad",)


def test_another_wish_is_kept_and_holds_in_each_namespace(root: Path) -> None:
    """Also where the levels stay as they were."""
    report = calibrate("small", in_web(400), root=root, max_error=0.05)
    assert [certificate.max_error for certificate in report.after.certificates] == [0.05, 0.05]
    again = calibrate("small", in_web(400), root=root)
    assert again.after.wanted_error == 0.05


def test_what_traffic_does_not_prove_is_not_served(root: Path) -> None:
    """Nine wrong ones of ten."""
    report = calibrate("small", in_web(400, n_wrong=360), root=root)
    assert {level.threshold for level in report.after.certificates[WEB].levels} == {None}
    with Cache.open(report.path) as cache:
        result = cache.lookup("now add login page")
    assert not result.hit
    assert result.reason == "uncertified"


def test_no_queries_and_no_level_are_refused(root: Path) -> None:
    """Before anything is written."""
    with pytest.raises(ConfigError, match=r"^traffic: found none"):
        calibrate("small", [], root=root)
    with pytest.raises(ConfigError, match=r"^max_error: found 0\.03, allowed 0\.005"):
        calibrate("small", in_web(1), root=root, max_error=0.03)


def test_a_name_that_is_not_there_leaves_no_trace(root: Path) -> None:
    """A slip of the finger makes no folder that later commands would take for a bundle."""
    with pytest.raises(BundleNotFoundError, match=r"no bundle here"):
        calibrate("smal", in_web(1), root=root)
    assert not (root / "smal").exists()
