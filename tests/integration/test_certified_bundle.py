"""A bundle whose certificate rests on its own queries: it is built, asked, measured, and holds what it promises."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import semcache
from shared import HASHING, write_corpus

from semcache import BuildConfig, BuildReport, Cache, LabelledQuery, build_bundle, evaluate
from semcache.core.certificate import Certificate

SYLLABLES = ("ka", "mo", "ri", "tu", "be", "lo", "zi", "pa", "ne", "du", "fy", "gu", "hax", "vor", "wim", "jes")
N_ENTRIES = 800
LEVELS = (0.005, 0.01, 0.02, 0.05, 0.1)


def subjects(n: int, *, seed: int) -> list[str]:
    """Make up n different names of three words."""
    rng = random.Random(seed)
    names: dict[str, None] = {}
    while len(names) < n:
        names[" ".join("".join(rng.choices(SYLLABLES, k=4)) for _ in range(3))] = None
    return list(names)


FORMS = ("how to start {}", "start {} now", "please tell me how to start {}", "how do I start {}", "please start {}")
"""Each entry has three of them, and is asked for in a fourth one: like one that was left out when it was certified."""
KNOWN, UNKNOWN = (names := subjects(N_ENTRIES + 200, seed=0))[:N_ENTRIES], names[N_ENTRIES:]


def forms_of(number: int) -> list[str]:
    """Give all forms in an order of the entry's own."""
    return random.Random(number).sample(FORMS, len(FORMS))


ENTRIES: list[dict[str, Any]] = [
    {
        "id": f"entry/{i}",
        "query": forms_of(i)[0].format(name),
        "answer": f"answer {i}",
        "paraphrases": [form.format(name) for form in forms_of(i)[1:3]],
    }
    for i, name in enumerate(KNOWN)
]
QUERIES = [
    *(LabelledQuery(f"q:{i}", forms_of(i)[3].format(KNOWN[i]), f"entry/{i}", None, "anew") for i in range(300)),
    *(LabelledQuery(f"n:{i}", forms_of(i)[3].format(name), None, None, "nothing") for i, name in enumerate(UNKNOWN)),
]
CONFIG = BuildConfig(model="hashing", max_error=0.05, adapter=False)


def only_certificate(report: BuildReport) -> Certificate:
    """Give the certificate of a bundle of one namespace."""
    (certificate,) = report.manifest.decision.certificates
    return certificate


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    """Build eight hundred entries of three texts each."""
    folder = tmp_path_factory.mktemp("certified")
    return build_bundle([write_corpus(folder / "own.jsonl", ENTRIES)], name="own", root=folder, config=CONFIG)


def test_the_certificate_rests_on_written_queries(report: BuildReport) -> None:
    """Half of the entries fit trees, of each other entry one query certifies; the manifest says how many."""
    decision, certificate = report.manifest.decision, only_certificate(report)
    assert (decision.fitted, certificate.calibration.source) == ("written", "written")
    assert decision.n_fitted > 1000
    assert certificate.calibration.n_queries <= N_ENTRIES / 2 + 50
    assert 0.3 < certificate.calibration.n_outside / certificate.calibration.n_queries < 0.5
    assert (certificate.max_error, decision.wanted_error) == (CONFIG.max_error, CONFIG.max_error)
    assert tuple(level.max_error for level in certificate.levels) == LEVELS


def test_thresholds_fall_as_the_error_grows(report: BuildReport) -> None:
    """A level that accepts more error never asks for more confidence."""
    thresholds = [level.threshold for level in only_certificate(report).levels if level.threshold is not None]
    assert thresholds
    assert thresholds == sorted(thresholds, reverse=True)


def test_what_cannot_be_certified_says_what_it_would_take(report: BuildReport) -> None:
    """Half a percent takes 598 hits without a wrong one; a few hundred queries cannot give them."""
    level = only_certificate(report).levels[0]
    assert level.threshold is None
    assert level.n_missing > 0


def test_the_promise_holds_on_queries_it_never_saw(report: BuildReport) -> None:
    """Texts and names that were not in the build: a lot is served, and no level is contradicted."""
    with Cache.open(report.path) as cache:
        found = evaluate(cache, QUERIES)
    assert (found.n_queries, found.n_out_of_scope, found.unknown) == (500, 200, ())
    assert not any(level.is_broken for level in found.levels)
    assert found.served.coverage > 0.3


def test_the_evaluation_counts_what_lookups_serve(report: BuildReport) -> None:
    """At every level, hits and wrong hits are those that a caller who states that error gets."""
    answers = {entry["id"]: entry["answer"] for entry in ENTRIES}
    with Cache.open(report.path) as cache:
        for level in evaluate(cache, QUERIES).levels:
            results = cache.lookup_many([query.text for query in QUERIES], max_error=level.promise.max_error)
            hits = [(query, result.text) for query, result in zip(QUERIES, results, strict=True) if result.hit]
            n_wrong = sum(text != answers.get(query.entry_id or "") for query, text in hits)
            assert _is_above_own(level.promise.max_error) or (len(hits), n_wrong) == (
                level.served.n_hits,
                level.served.n_wrong,
            )


def _is_above_own(max_error: float) -> bool:
    return max_error > CONFIG.max_error


def test_a_caller_can_only_tighten(report: BuildReport) -> None:
    """More error than the bundle's own is served like the bundle's own."""
    texts = [query.text for query in QUERIES]
    with Cache.open(report.path) as cache:
        own = cache.lookup_many(texts)
        assert cache.lookup_many(texts, max_error=1.0) == own
        strict = cache.lookup_many(texts, max_error=0.005)
    assert {result.hit for result in strict} == {False}
    assert any(result.hit for result in own)


def test_the_program_shows_the_same_certificate(report: BuildReport, tmp_path: Path) -> None:
    """`eval` and `info` name the levels of the manifest."""
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"text": QUERIES[0].text, "entry_id": "entry/0"}), encoding="utf-8")
    levels = [(level.max_error, level.threshold) for level in only_certificate(report).levels]
    shown = semcache("eval", report.path, "--queries", path, "--json").json
    assert [(level["max_error"], level["threshold"]) for level in shown["levels"]] == levels
    manifest = semcache("info", report.path, "--json").json["manifest"]
    assert [
        (level["max_error"], level["threshold"]) for level in manifest["decision"]["certificates"][0]["levels"]
    ] == levels


def test_building_again_gives_the_same_version(report: BuildReport, tmp_path: Path) -> None:
    """Adapter, trees, thresholds: all of it follows from corpus, settings and seed."""
    again = build_bundle([write_corpus(tmp_path / "own.jsonl", ENTRIES)], name="own", root=tmp_path, config=CONFIG)
    assert again.id == report.id


def test_without_queries_of_its_own_a_bundle_takes_the_generic_certificate(tmp_path: Path) -> None:
    """One text an entry leaves nothing but out-of-scope queries; without those too, the manifest says so."""
    alone = [{key: value for key, value in entry.items() if key != "paraphrases"} for entry in ENTRIES[:50]]
    corpus = write_corpus(tmp_path / "alone.jsonl", alone)
    built = build_bundle([corpus], name="alone", root=tmp_path, config=replace(HASHING, outside_share=0.0))
    decision = built.manifest.decision
    assert (decision.fitted, decision.n_fitted) == ("generic", 0)
    assert only_certificate(built).calibration.source == "generic"


def labelled(path: Path, queries: list[LabelledQuery]) -> Path:
    """Write labelled queries as a file."""
    lines = ({"text": query.text, "entry_id": query.entry_id} for query in queries)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_build_on_traffic_is_fitted_and_certified_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program says what became of it; half of the queries certify, in a wording that no entry has."""
    monkeypatch.setenv("SEMCACHE_ADAPTER", "false")  # what trees learned is noted alike, and sooner
    corpus = write_corpus(tmp_path / "own.jsonl", ENTRIES)
    inside = [LabelledQuery(f"q:{i}", forms_of(i)[3].format(KNOWN[i]), f"entry/{i}") for i in range(N_ENTRIES)]
    outside = [LabelledQuery(f"n:{i}", forms_of(i)[4].format(name), None) for i, name in enumerate(UNKNOWN)]
    traffic = labelled(
        tmp_path / "traffic.jsonl", [*inside, *outside, LabelledQuery("x:1", ENTRIES[0]["query"], "gone")]
    )
    arguments = ("--name", "own", "--root", tmp_path, "--model", "hashing", "--max-error", "0.05", "--traffic", traffic)
    found = semcache("build", corpus, *arguments, "--json").json
    (certificate,) = found["certificates"]
    assert (certificate["calibration"]["source"], certificate["max_error"]) == ("traffic", 0.05)
    assert certificate["calibration"]["n_queries"] == found["traffic"]["n_certifying"]["default"]
    assert 430 < certificate["calibration"]["n_queries"] < 570
    assert found["unknown"] == [f"{traffic}:1001: gone"]
    shown = semcache("build", corpus, *arguments).out
    assert f"{found['traffic']['n_to_fit']} queries to learn from\n" in shown
    assert f"1 label names nothing in the corpus: {traffic}:1001: gone" in shown
    n_learned = found["traffic"]["n_to_fit"]
    asked = ("own", "--root", tmp_path)
    assert semcache("eval", *asked, "--queries", traffic, "--json").json["n_learned"] == n_learned
    warned = f"The bundle learned from {n_learned} of these queries: they flatter it."
    assert warned in semcache("eval", *asked, "--queries", traffic, "--html", tmp_path / "eval.html").out
    assert warned in (tmp_path / "eval.html").read_text("utf-8")
    calibrated = semcache("calibrate", *asked, "--traffic", traffic, "--json").json
    assert (calibrated["n_learned"], calibrated["n_exact"]) == (n_learned, 1)
    (anew,) = calibrated["certificates"]
    assert anew["calibration"]["n_queries"] <= 1000 - n_learned
    assert (
        f"1 exact hit, {n_learned} queries that the bundle learned from"
        in semcache("calibrate", *asked, "--traffic", traffic).out
    )


def test_a_build_on_too_little_traffic_says_what_is_missing(tmp_path: Path) -> None:
    """And is the one that there would be without it."""
    corpus = write_corpus(tmp_path / "own.jsonl", ENTRIES[:60])
    few = labelled(tmp_path / "few.jsonl", [LabelledQuery("q:1", f"{KNOWN[i]}!", f"entry/{i}") for i in range(20)])
    arguments = ("build", corpus, "--name", "own", "--root", tmp_path, "--model", "hashing")
    with_few = semcache(*arguments, "--traffic", few)
    without = semcache(*arguments, "--json").json
    assert with_few.out.splitlines()[0].endswith(without["id"])
    assert "queries to learn from, 300 needed" in with_few.out
    assert "queries to certify default, 149 needed: generic ones certify it" in with_few.out
