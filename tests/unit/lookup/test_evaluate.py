from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from evaluating import CALIBRATION, ENTRIES, PROMISES, exact, lively, measured, nothing, query, semantic

from semcache.core.certificate import Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.metrics import Served
from semcache.errors import ConfigError
from semcache.lookup.candidates import Candidate, candidates_of
from semcache.lookup.evaluate import evaluate
from semcache.types import Kind, LabelledQuery, Reason


def test_each_level_counts_what_its_threshold_serves() -> None:
    """At 0.8: one right, one wrong; at 0.5 one more wrong. A guard is a query and never a hit."""
    pairs = [
        (query("a"), semantic("a", 0.9)),
        (query("a"), semantic("c", 0.8)),
        (query(None), semantic("a", 0.6)),
        (query("b"), semantic("b", 0.4)),
        (query("a"), nothing()),
    ]
    levels = measured(pairs).levels
    assert [level.served for level in levels] == [Served(5, 0, 0), Served(5, 2, 1), Served(5, 3, 2)]
    assert [level.promise for level in levels] == list(PROMISES)


def test_an_exact_hit_is_served_without_a_certificate() -> None:
    """At every level, and counted as wrong where it is."""
    found = measured([(query("a"), exact("a")), (query("a"), exact("b")), (query("a"), semantic("a", 0.99))])
    assert [level.served for level in found.levels] == [Served(3, 2, 1), Served(3, 3, 1), Served(3, 3, 1)]


@pytest.mark.parametrize(
    ("labelled", "served", "is_right"),
    [
        (query("a"), "a", True),
        (query("a"), "b", False),
        (query("b"), "twin of b", True),
        (query(None, group="login"), "b", True),
        (query(None, group="login"), "twin of b", True),
        (query(None, group="login"), "c", False),
        (query(None, group="c"), "c", True),
        (query(None), "a", False),
        (query("gone"), "a", False),
        (query(None, group="gone"), "a", False),
    ],
)
def test_right_is_the_answer_of_the_entry_or_of_its_group(labelled: LabelledQuery, served: str, is_right: bool) -> None:  # noqa: FBT001 - the value under test
    """Entries of one answer stand for each other; an entry is a group of its own name."""
    found = measured([(labelled, semantic(served, 0.9))])
    assert found.levels[-1].served == Served(1, 1, 0 if is_right else 1)


def test_labels_that_name_nothing_are_listed() -> None:
    """Most likely a slip of the pen; an out-of-scope query is none."""
    found = measured([(query("gone"), nothing()), (query(None, group="lost"), nothing()), (query(None), nothing())])
    assert found.unknown == ("q.jsonl:1: gone", "q.jsonl:1: lost")
    assert found.n_out_of_scope == 1
    assert found.n_learned == 0


def test_slices_are_counted_apart_the_largest_first() -> None:
    """Each with its own hits, errors and answerable queries, at the least strict certified level."""
    pairs = [
        (query("a", kind="typo"), semantic("a", 0.9)),
        (query("a", kind="typo"), semantic("b", 0.6)),
        (query(None, kind="far"), semantic("b", 0.4)),
    ]
    rows = [(row.name, row.n_answerable, row.served) for row in measured(pairs).slices]
    assert rows == [("typo", 2, Served(2, 2, 1)), ("far", 0, Served(1, 0, 0))]


def test_kinds_are_exact_and_semantic() -> None:
    """Both are always there."""
    rows = [(row.name, row.served) for row in measured([(query("a"), exact("a")), (query("a"), nothing())]).kinds]
    assert rows == [("exact", Served(1, 1, 0)), ("semantic", Served(0, 0, 0))]


@pytest.mark.parametrize(("max_error", "shown"), [(None, 0.1), (1.0, 0.1), (0.07, 0.05), (0.05, 0.05), (0.01, None)])
def test_shown_is_the_least_strict_level_that_is_certified_and_accepted(
    max_error: float | None, shown: float | None
) -> None:
    """1 % is not certified: nothing is. Nobody names an error: what the bundle promises then."""
    (found,) = measured([(query("a"), semantic("a", 0.9))], max_error=max_error).shown
    assert (None if found.promise.threshold is None else found.promise.max_error) == shown


def test_false_hits_are_those_of_the_shown_level_the_surest_first() -> None:
    """What is under its threshold was not served."""
    pairs = [(query("a", f"{c}"), semantic("b", c)) for c in (0.6, 0.95, 0.4, 0.85)]
    assert [hit.query.text for hit in measured(pairs).false_hits] == ["0.95", "0.85", "0.6"]
    assert [hit.query.text for hit in measured(pairs, max_error=0.05).false_hits] == ["0.95", "0.85"]


def test_misses_are_counted_by_reason() -> None:
    """A candidate that was not sure enough is below the threshold."""
    pairs = [(query("a"), semantic("a", 0.4)), (query("a"), nothing(Reason.GUARD)), (query("a"), nothing(Reason.GUARD))]
    assert dict(measured(pairs).misses) == {"guard": 2, "below_threshold": 1}


def test_where_nothing_is_certified_no_confidence_is_too_small() -> None:
    """Candidates there are missed because the level is not certified, as a lookup says it; guards are guards."""
    pairs = [(query("a"), semantic("a", 0.99)), (query("a"), nothing(Reason.GUARD))]
    promises = (CertifiedLevel(0.1, None, 20, 9, 99),)
    assert dict(measured(pairs, promises=promises).misses) == {"guard": 1, "uncertified": 1}
    assert dict(measured(pairs, max_error=0.01).misses) == {"guard": 1, "uncertified": 1}


def test_a_promise_is_broken_only_where_chance_cannot_explain_it() -> None:
    """One wrong hit of one proves nothing; thirty of thirty do."""
    once = [(query("a"), semantic("b", 0.9))]
    assert [level.is_broken for level in measured(once).levels] == [False, False, False]
    assert [level.is_broken for level in measured(once * 30).levels] == [False, True, True]


def test_a_bundle_without_a_certificate_is_measured_all_the_same() -> None:
    """Curve and ranking need no level; what is served is exact."""
    found = measured([(query("a"), semantic("a", 0.9)), (query("a"), semantic("b", 0.3))], promises=())
    assert (found.levels, found.served.n_hits, found.roc_auc) == ((), 0, 1.0)
    assert found.kinds[1].served.n_hits == 0


def test_a_lively_bundle_keeps_its_promises() -> None:
    """The sample that the reports are looked at with."""
    found = lively()
    assert [level.is_broken for level in found.levels] == [False] * 5
    assert found.false_hits


class FakeCache:
    """A cache that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], str | None]] = []

    def assess(self, texts: list[str], *, namespace: str | None) -> list[Any]:
        """Answer a text by itself; "guard" by nothing."""
        self.asked.append((texts, namespace))
        return [self._assessment(text) for text in texts]

    def _assessment(self, text: str) -> Any:
        is_guard = text in {"guard", "guard with a confidence"}
        return SimpleNamespace(
            kind=Kind.SEMANTIC,
            entry_id=text,
            variant=text,
            namespace="web",
            confidence=None if text == "guard" else 0.5,
            score=0.75,
            features={"margin": 0.5},
            reason=Reason.GUARD if is_guard else None,
        )


def test_candidates_come_in_the_order_of_the_queries() -> None:
    """Each namespace is asked by itself, a bounded number of texts at a time."""
    cache: Any = FakeCache()
    queries = [LabelledQuery("", f"{i}", namespace="web" if i % 2 else None) for i in range(600)]
    assert [candidate.entry_id for candidate in candidates_of(cache, queries)] == [f"{i}" for i in range(600)]
    assert [(len(texts), namespace) for texts, namespace in cache.asked] == [
        (256, None),
        (44, None),
        (256, "web"),
        (44, "web"),
    ]


@pytest.mark.parametrize("text", ["guard", "guard with a confidence"])
def test_a_guard_is_no_candidate(text: str) -> None:
    """Whatever its confidence; it keeps its score and its reason."""
    cache: Any = FakeCache()
    assert candidates_of(cache, [LabelledQuery("", text)]) == [
        Candidate(None, None, "web", None, -float("inf"), 0.75, {"margin": 0.5}, Reason.GUARD)
    ]


@pytest.mark.parametrize(("own", "served"), [(0.01, 0), (0.05, 1), (0.1, 2)])
def test_by_default_the_report_is_about_what_callers_get_who_name_no_error(own: float, served: int) -> None:
    """Not about the least strict level that is certified."""
    pairs = [(query("a"), semantic("a", 0.9)), (query("a"), semantic("a", 0.6))]
    assert measured(pairs, own=own).served == Served(2, served, 0)


SHELL = Certificate(
    "shell", 0.05, CALIBRATION, (CertifiedLevel(0.01, 0.95, 300, 0, 0), CertifiedLevel(0.05, 0.85, 900, 9, 0))
)


def test_a_hit_counts_where_its_entry_lies() -> None:
    """Each namespace serves at its own threshold: at 5 % it is 0.8 in web and 0.85 in shell."""
    pairs = [
        (query("a"), semantic("a", 0.82)),
        (query("a"), semantic("b", 0.82, namespace="shell")),
        (query("c"), semantic("c", 0.9, namespace="shell")),
        (query("a"), semantic("c", 0.97, namespace="shell")),
    ]
    found = measured(pairs, own=0.05, others=[SHELL])
    assert [(level.namespace, level.promise.max_error, level.served) for level in found.levels] == [
        ("web", 0.01, Served(4, 0, 0)),
        ("web", 0.05, Served(4, 1, 0)),
        ("web", 0.1, Served(4, 1, 0)),
        ("shell", 0.01, Served(4, 1, 1)),
        ("shell", 0.05, Served(4, 2, 1)),
    ]
    assert [(level.namespace, level.promise.max_error) for level in found.shown] == [("web", 0.05), ("shell", 0.05)]
    assert found.served == Served(4, 3, 1)
    assert [row.served for row in found.kinds] == [Served(0, 0, 0), Served(4, 3, 1)]
    assert [hit.candidate.confidence for hit in found.false_hits] == [0.97]


def test_an_error_asked_for_is_looked_up_in_each_namespace() -> None:
    """1 % is certified in shell only: exact hits in web."""
    pairs = [
        (query("a"), semantic("a", 1.0)),
        (query("a"), exact("a")),
        (query("c"), semantic("c", 0.96, namespace="shell")),
    ]
    found = measured(pairs, others=[SHELL], max_error=0.01)
    assert [level.served.n_hits for level in found.shown] == [1, 1]
    assert found.served == Served(3, 2, 0)


@pytest.mark.parametrize("max_error", [0.0, -1.0, 1.5, float("nan")])
def test_an_error_outside_its_range_is_refused(max_error: float) -> None:
    """As in a lookup."""
    cache: Any = FakeCache()
    with pytest.raises(ConfigError, match=r"^max_error: found .*, allowed over 0 and up to 1$"):
        evaluate(cache, [query("a")], max_error=max_error)


def test_no_queries_are_refused() -> None:
    """Figures of nothing would look like figures."""
    cache: Any = FakeCache()
    with pytest.raises(ConfigError, match=r"^queries: found none, allowed 1 or more$"):
        evaluate(cache, [])


def test_entries_of_the_sample_are_all_known() -> None:
    """The sample names no entry that is not there."""
    assert {hit.candidate.entry_id for hit in lively().false_hits} <= set(ENTRIES)
