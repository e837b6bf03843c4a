from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from shared import ENTRIES

from semcache import BuildReport, Cache, Hit, Miss
from semcache.bundle.locate import locate
from semcache.bundle.reader import VersionReader
from semcache.config import LEVELS, OpenConfig
from semcache.core.certify import CertifiedLevel
from semcache.core.features import FEATURES
from semcache.lookup.age import Age
from semcache.lookup.version import Version
from semcache.types import Kind, Reason

NOW = 1_750_000_000.0


@pytest.fixture
def version(bundle_dir: Path) -> Version:
    """Give the version of the small corpus."""
    location = locate(bundle_dir, root=bundle_dir.parent)
    reader = VersionReader(location, location.live_id(), OpenConfig())
    return Version(reader, Age(location, reader.id, OpenConfig()), embed_threads=1)


def certified(version: Version, thresholds: Sequence[float | None], *, max_error: float = 0.02) -> Version:
    """Let a version be certified for these thresholds, from the strictest level on."""
    levels = tuple(CertifiedLevel(e, t, 100, 1, 0) for e, t in zip(LEVELS, thresholds, strict=True))
    manifest = version.reader.manifest
    certificates = tuple(
        replace(certificate, levels=levels, max_error=max_error) for certificate in manifest.decision.certificates
    )
    decision = replace(manifest.decision, certificates=certificates)
    version.reader.manifest = replace(manifest, decision=decision)
    return version


ALL = (0.9, 0.8, 0.7, 0.6, 0.5)


def judged(version: Version, text: str) -> Any:
    """Judge a text."""
    (found,) = version.judge_all([text], namespace=None)
    assert found is not None
    return found


@pytest.mark.parametrize(("above", "is_hit"), [(-1e-6, True), (0.0, True), (1e-6, False)])
def test_the_threshold_of_the_level_decides(version: Version, above: float, *, is_hit: bool) -> None:
    """A confidence at or over it is served."""
    found = judged(version, "now add login page")
    certified(version, (None, None, found.confidence + above, None, None))
    result = version.serve_semantic(found, max_error=None, now=NOW)
    assert isinstance(result, Hit) == is_hit
    if isinstance(result, Hit):
        assert (result.confidence, result.threshold) == (found.confidence, found.confidence + above)
        assert (result.kind, result.entry_id) == (Kind.SEMANTIC, "login/add")
    else:
        assert result.reason is Reason.BELOW_THRESHOLD
        assert "an error of at most 2 % takes" in result.detail


def test_an_error_that_is_not_certified_says_what_is_missing(version: Version) -> None:
    """How many more calibration hits, and the command that gives them."""
    found = judged(version, "now add login page")
    certified(version, ALL)
    result = version.serve_semantic(found, max_error=0.001, now=NOW)
    assert isinstance(result, Miss)
    assert result.reason is Reason.UNCERTIFIED
    assert "0.1 % is not certified in the namespace web" in result.detail
    assert result.nearest is not None
    assert result.nearest.entry_id == "login/add"


def test_the_namespace_of_the_entry_to_be_served_decides(version: Version) -> None:
    """What is certified in one namespace serves nothing in another, however sure it is."""
    certified(version, (None, None, 0.5, None, None))
    web = next(i for i, name in enumerate(version.reader.manifest.namespaces) if name == "web")
    decision = version.reader.manifest.decision
    nothing = tuple(CertifiedLevel(error, None, 0, 0, 149) for error in LEVELS)
    certificates = tuple(
        certificate if number == web else replace(certificate, levels=nothing)
        for number, certificate in enumerate(decision.certificates)
    )
    version.reader.manifest = replace(version.reader.manifest, decision=replace(decision, certificates=certificates))
    in_web, in_shell = judged(version, "now add login page"), judged(version, "list all the files")
    assert isinstance(version.serve_semantic(in_web, max_error=None, now=NOW), Hit)
    result = version.serve_semantic(in_shell, max_error=None, now=NOW)
    assert isinstance(result, Miss)
    assert result.reason is Reason.UNCERTIFIED
    assert result.detail.startswith(
        "an error of at most 2 % is not certified in the namespace shell; it takes 149 more"
    )


def test_a_guard_misses_before_the_certificate_is_asked(version: Version) -> None:
    """And names the text that keeps the answer back."""
    found = judged(version, "please remove the login page")
    certified(version, (None,) * 5)
    result = version.serve_semantic(found, max_error=None, now=NOW)
    assert isinstance(result, Miss)
    assert (result.reason, result.nearest and result.nearest.variant) == (Reason.GUARD, "remove the login page")


def test_what_is_judged_has_every_feature(version: Version) -> None:
    """In the manifest's order, as numbers; rows and scores best first."""
    found = judged(version, "now add login page")
    assert len(found.features) == len(version.reader.manifest.decision.features) == len(FEATURES)
    assert np.isfinite(found.features).all()
    assert found.scores == sorted(found.scores, reverse=True)
    assert found.features[0] == pytest.approx(found.scores[0])
    assert found.confidence == version.verifier.confidence(found.features)


def test_each_row_has_the_answer_of_its_entry(build: Callable[..., BuildReport]) -> None:
    """Entries that share an answer share its number; a guard has none and keeps its own."""
    again = {"id": "login/again", "query": "one more login page", "answer": ENTRIES[0]["answer"], "namespace": "shell"}
    with Cache.open(build([ENTRIES[0], again, ENTRIES[1]]).path.parent.parent) as cache:
        reader = cache._current().reader
        assert reader.rows.tolist() == [0, 0, 0, -1, 1, 2, 2, -3]
        assert reader.answers.tolist() == [0, 0, 0, -1, 0, 1, 1, -3]


def test_a_lookup_asks_the_exact_tier_once(cache: Cache) -> None:
    """The version that is live when it begins, also where it goes on to the semantic tier."""
    with patch.object(Version, "exact", autospec=True, side_effect=Version.exact) as exact:
        assert cache.lookup("now add login page", max_error=0.1).hit
        assert cache.lookup("now add login page").hit
        assert exact.call_count == 2


def test_one_version_reads_a_text_once(version: Version) -> None:
    """Readings of rows are kept, and thrown away before they are too many."""
    judged(version, "now add login page")
    with patch.object(version.reader, "text_of", side_effect=AssertionError):
        judged(version, "now add login page")
    with patch("semcache.lookup.version._MOST_READINGS", 1):
        for text in ("list all the files", "now add login page", "list all the files"):
            judged(version, text)
            assert len(version._readings) <= 2


def test_nothing_to_compare_with_is_a_miss(version: Version) -> None:
    """No rows, no candidate, no confidence."""
    nothing = version.judge("text", (np.zeros(0, np.int64), np.zeros(0, np.float32)))
    assert (nothing.candidate, nothing.features, nothing.confidence) == (None, None, 0.0)
    assert version.reason(nothing, 0.0) is Reason.BELOW_THRESHOLD
    result = version.serve_semantic(nothing, max_error=None, now=NOW)
    assert isinstance(result, Miss)
    assert (result.reason, result.nearest) == (Reason.BELOW_THRESHOLD, None)


@pytest.fixture
def cache(build: Callable[..., BuildReport]) -> Iterator[Cache]:
    """Give an open cache of the small corpus."""
    with Cache.open(build(ENTRIES).path.parent.parent) as cache:
        yield cache


def test_an_exact_hit_is_certain(cache: Cache) -> None:
    """In an assessment as in a hit; it has no features."""
    (found,) = cache.assess(["ADD  login page!"])
    assert (found.kind, found.entry_id, found.confidence, found.score) == (Kind.EXACT, "login/add", 1.0, 1.0)
    assert (found.features, found.reason, found.variant) == ({}, None, "add login page")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("?!", Reason.EMPTY),
        ("remove the login page", Reason.GUARD),
        ("please remove the login page", Reason.GUARD),
        ("set up a PostgreSQL database", Reason.AMBIGUOUS),
        ("How to use database version nine", Reason.EXPIRED),
        ("word " * 300, Reason.TOO_LONG),
        ("\ud800", Reason.INVALID_TEXT),
    ],
)
def test_what_may_never_be_served_says_why(cache: Cache, text: str, reason: Reason) -> None:
    """Whatever the threshold: it has no confidence."""
    (found,) = cache.assess([text])
    assert (found.reason, found.kind, found.confidence) == (reason, None, None)


def test_a_candidate_is_assessed_whatever_the_threshold(cache: Cache) -> None:
    """A text that a lookup would miss has an entry, a confidence and features too."""
    near, far = cache.assess(["now add login page", "what is the weather"])
    assert (near.kind, near.entry_id, near.reason) == (Kind.SEMANTIC, "login/add", None)
    assert (far.kind, far.reason) == (Kind.SEMANTIC, None)
    assert near.confidence is not None
    assert far.confidence is not None
    assert near.confidence > 0.9
    assert far.confidence < 0.1
    assert tuple(near.features) == FEATURES


def test_assessments_stand_in_the_order_of_the_texts(cache: Cache) -> None:
    """Exact and semantic ones mixed, and as sure as alone."""
    texts = ["what is the weather", "add login page", "now add login page", "", "list all the files"]
    together = cache.assess(texts)
    assert [found.text for found in together] == texts
    assert together == [cache.assess([text])[0] for text in texts]
    assert cache.assess([]) == []


def test_an_assessment_agrees_with_a_lookup(cache: Cache) -> None:
    """Same entry and confidence where the lookup hits."""
    for text in ("now add login page", "list all the files"):
        (found,), hit = cache.assess([text]), cache.lookup(text)
        assert isinstance(hit, Hit)
        assert (found.entry_id, found.confidence, found.score) == (hit.entry_id, hit.confidence, hit.score)


def test_an_explanation_of_a_hit_has_nothing_to_change(cache: Cache) -> None:
    """Candidate and rival among the neighbours, what was asked for, and the calibration behind it."""
    found = cache.explain("now add login page")
    (certificate,) = [x for x in cache.info.manifest.decision.certificates if x.namespace == found.namespace]
    level = next(x for x in certificate.levels if x.max_error == found.max_error)
    assert found.namespace == "web"
    assert isinstance(found.result, Hit)
    assert found.changes == ()
    assert found.candidate is not None
    assert found.neighbours[found.candidate].entry_id == "login/add"
    assert found.rival is not None
    assert found.neighbours[found.rival].variant == "remove the login page"  # a guard is a rival
    assert found.confidence == found.result.confidence
    assert (found.threshold, found.n_hits, found.n_wrong) == (level.threshold, level.n_hits, level.n_wrong)
    assert tuple(found.features) == FEATURES


def test_an_explanation_of_a_miss_says_how_much_is_missing(cache: Cache) -> None:
    """Confidence, differing facts, and the margin to the best different answer."""
    found = cache.explain("remove 7 files from production")
    assert isinstance(found.result, Miss)
    assert found.result.reason is Reason.BELOW_THRESHOLD
    assert found.threshold is not None
    assert found.confidence is not None
    assert found.changes[0].startswith(f"{found.threshold - found.confidence:.4f} more confidence: ")
    assert any("these differ: " in change and "number_extra" in change for change in found.changes)
    assert found.changes[-1].startswith(f"more than {found.features['margin']:.3f} of margin")


def test_an_explanation_shows_no_more_neighbours_than_asked_for(cache: Cache) -> None:
    """A candidate or rival beyond them has no place."""
    found = cache.explain("now add login page", k=1)
    assert (len(found.neighbours), found.candidate, found.rival) == (1, 0, None)


def test_an_error_of_ones_own_is_explained(cache: Cache) -> None:
    """The level that stands for it, or that there is none."""
    found = cache.explain("now add login page", max_error=0.0001)
    assert (found.max_error, found.threshold) == (0.0001, None)
    assert isinstance(found.result, Miss)
    assert found.result.reason is Reason.UNCERTIFIED
    assert found.changes == ("more calibration queries (semcache calibrate), or a larger max_error at build",)


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_a_text_that_is_not_read_has_no_features(cache: Cache, text: str) -> None:
    """Nothing was searched."""
    found = cache.explain(text)
    assert (found.neighbours, found.features, found.confidence, found.candidate) == ((), {}, None, None)
    assert len(found.changes) == 1
