"""explain: what it shows of each kind of result, and what it says would have to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Outcome, semcache

from semcache import BuildReport, Cache, Explanation

CASES = {
    "an exact hit": ("add login page", None, "hit"),
    "a semantic hit": ("now add login page", None, "hit"),
    "a far text": ("docker", None, "below_threshold"),
    "two answers": ("Set up a PostgreSQL database please", None, "below_threshold"),
    "an exact guard": ("remove the login page", None, "guard"),
    "a guard that is nearest": ("set up a MySQL database now", None, "guard"),
    "a long text": ("word " * 300, None, "too_long"),
    "an empty text": ("  ?! ", None, "empty"),
    "a text that is none": ("\ud800", None, "invalid_text"),
    "an ambiguous text": ("set up a postgresql database", None, "ambiguous"),
    "an expired entry": ("how to use database version nine again", None, "expired"),
    "an unknown namespace": ("add login page", "wbe", "no_namespace"),
}


@pytest.fixture
def cache(bundle_dir: Path) -> Iterator[Cache]:
    """Give an open cache of the small corpus."""
    with Cache.open(bundle_dir) as opened:
        yield opened


def explained(cache: Cache, case: str) -> Explanation:
    """Explain the text of a case."""
    text, namespace, _ = CASES[case]
    return cache.explain(text, namespace=namespace)


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_that_of_lookup(cache: Cache, case: str) -> None:
    """Explain decides nothing of its own."""
    text, namespace, _ = CASES[case]
    assert explained(cache, case).result == cache.lookup(text, namespace=namespace)


@pytest.mark.parametrize("case", CASES)
def test_the_reason_is_the_expected_one(cache: Cache, case: str) -> None:
    """Each case of this file is the one it says it is."""
    result = explained(cache, case).result
    assert ("hit" if result.hit else result.reason) == CASES[case][2]


@pytest.mark.parametrize("case", CASES)
def test_the_certificate_is_shown(cache: Cache, case: str) -> None:
    """The error accepted, the confidence it takes and what that rests on are shown wherever something was found."""
    explanation = explained(cache, case)
    certificate = (explanation.max_error, explanation.threshold, explanation.n_wrong, explanation.n_hits)
    is_certified = CASES[case][2] not in ("too_long", "empty", "invalid_text", "no_namespace")
    assert certificate == ((0.1, 0.9, 30, 1000) if is_certified else (None, None, 0, 0))
    assert (explanation.namespace in ("web", "shell"), explanation.max_tokens) == (is_certified, 256)


@pytest.mark.parametrize(("max_error", "threshold"), [(0.005, None), (0.01, 0.98), (0.07, 0.9), (0.5, 0.9)])
def test_the_certificate_is_that_of_the_error_accepted(cache: Cache, max_error: float, threshold: float | None) -> None:
    """Explain looks at the level that a lookup with this error would use."""
    explanation = cache.explain("now add login page", max_error=max_error)
    assert explanation.threshold == threshold
    assert explanation.result == cache.lookup("now add login page", max_error=max_error)


@pytest.mark.parametrize(
    ("case", "n_neighbours"),
    [
        ("an exact hit", 10),
        ("a semantic hit", 10),
        ("a far text", 10),
        ("two answers", 10),
        ("an exact guard", 10),
        ("an ambiguous text", 10),
        ("an expired entry", 10),
        ("a long text", 0),
        ("an empty text", 0),
        ("a text that is none", 0),
        ("an unknown namespace", 0),
    ],
)
def test_neighbours_are_shown_where_the_text_can_be_embedded(cache: Cache, case: str, n_neighbours: int) -> None:
    """Exact results are shown with their neighbourhood too; what is never embedded has none."""
    assert len(explained(cache, case).neighbours) == n_neighbours


@pytest.mark.parametrize(
    ("case", "margin"), [("an exact hit", 0.5413), ("a semantic hit", 0.5702), ("two answers", 0.0)]
)
def test_the_margin_is_the_distance_to_the_best_different_answer(cache: Cache, case: str, margin: float) -> None:
    """The margin is measured to another answer or a guard, not to the next text of the same answer."""
    assert explained(cache, case).features["margin"] == pytest.approx(margin, abs=2e-3)


@pytest.mark.parametrize(
    ("case", "confidence"), [("an exact hit", 0.9933), ("a semantic hit", 0.9933), ("two answers", 0.0474)]
)
def test_the_confidence_is_that_of_the_verifier(cache: Cache, case: str, confidence: float) -> None:
    """The confidence shown is what the trees make of the features shown, of an exact hit too."""
    assert explained(cache, case).confidence == pytest.approx(confidence, abs=1e-3)


@pytest.mark.parametrize("case", ["a long text", "an empty text", "a text that is none", "an unknown namespace"])
def test_what_was_not_searched_has_no_confidence(cache: Cache, case: str) -> None:
    """Where nothing was found there is nothing to be sure of."""
    explanation = explained(cache, case)
    assert (explanation.features, explanation.confidence, explanation.candidate) == ({}, None, None)


def test_the_features_are_those_the_manifest_names(cache: Cache) -> None:
    """Every number the verifier sees is shown by its name, in order."""
    assert tuple(explained(cache, "a semantic hit").features) == cache.info.manifest.decision.features


def test_candidate_and_rival_have_different_answers(cache: Cache) -> None:
    """The best row of the answer considered, and the best row of any other."""
    explanation = explained(cache, "two answers")
    assert explanation.candidate is not None
    assert explanation.rival is not None
    places = (explanation.candidate, explanation.rival)
    assert {explanation.neighbours[place].entry_id for place in places} == {"db/setup", "shell/setup"}


@pytest.mark.parametrize(
    ("case", "n_tokens"),
    [("an exact hit", 3), ("a far text", 1), ("an empty text", None), ("a text that is none", None)],
)
def test_the_length_is_told_where_the_text_was_tokenised(cache: Cache, case: str, n_tokens: int | None) -> None:
    """A text that is not tokenised has no length."""
    assert explained(cache, case).n_tokens == n_tokens


def test_the_length_of_a_long_text_is_above_the_window(cache: Cache) -> None:
    """A text that does not fit says so by its length."""
    length = explained(cache, "a long text").n_tokens
    assert length is not None
    assert length > 256


@pytest.mark.parametrize("case", ["an exact hit", "a semantic hit"])
def test_nothing_has_to_change_for_a_hit(cache: Cache, case: str) -> None:
    """A hit needs no advice."""
    assert explained(cache, case).changes == ()


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("a far text", "0.8526 more confidence: add this wording to the right entry's paraphrases and build again"),
        ("two answers", "more than 0.000 of margin to the best different answer: say what tells the two apart"),
        ("an exact guard", "nothing: a guard of login/add is nearest; if it is wrong, remove it from `rejects`"),
        (
            "a guard that is nearest",
            "nothing: a guard of db/setup is nearest; if it is wrong, remove it from `rejects`",
        ),
        ("a long text", "ask a shorter question, or put this very text into the corpus: exact hits have no limit"),
        ("an empty text", "the text needs at least one word"),
        ("a text that is none", "the text must be valid Unicode"),
        ("an ambiguous text", "name a namespace"),
        ("an expired entry", "give the entry a later valid_until, or a newer answer, and build again"),
        ("an unknown namespace", "name one of: shell, web"),
    ],
)
def test_a_miss_says_what_would_have_to_change(cache: Cache, case: str, advice: str) -> None:
    """Each miss comes with the step that would turn it into a hit, or with the word that none should."""
    changes = explained(cache, case).changes
    assert [change for change in changes if change.startswith(advice)] != []


def test_facts_that_differ_are_named(build: Callable[..., BuildReport]) -> None:
    """Where a number or a negation tells query and text apart, the advice says so in words."""
    entries = [{"id": "list", "query": "list the 10 largest files below a folder", "answer": "du"}]
    with Cache.open(build(entries, name="one").path) as cache:
        first, *others = cache.explain("do not list the 25 largest trees below a folder").changes
    assert first.endswith("more confidence: add this wording to the right entry's paraphrases and build again")
    assert others[0] == "the same facts as the nearest text; these differ: number_changed, negation"


def said_of(outcome: Outcome) -> dict[str, str]:
    """Give the lines of a table by their first word, each with single spaces."""
    lines = [" ".join(line.split()) for line in outcome.out.splitlines() if line]
    return {line.split()[0]: line for line in lines if line.split()[0].isalpha()}


def test_the_table_of_a_hit(bundle_dir: Path) -> None:
    """A person sees the confidence beside what it had to reach, what certifies that, and the verdict."""
    said = said_of(semcache("explain", bundle_dir, "now add login page"))
    assert said["confidence"] == "confidence 0.9933 >= 0.9000 enough"
    assert said["certified"] == "certified an error of at most 10 % in web: 30 of 1,000 calibration hits were wrong"
    assert said["neighbours"] == "neighbours score 0.92 margin 0.57 mean_margin 0.47"
    assert said["words"].startswith("words unsaid 0.50 ")
    assert said["verdict"] == "verdict hit (semantic): login/add"
    assert "for" not in said


def test_the_table_of_a_miss_below_the_threshold(bundle_dir: Path) -> None:
    """A person sees that the confidence is too little, and how much is missing."""
    out = semcache("explain", bundle_dir, "docker").out
    assert "confidence  0.0474 <  0.9000  too little" in out
    assert "verdict     miss (below_threshold): " in out
    assert "for a hit   0.8526 more confidence" in out


def test_the_table_of_an_error_that_is_not_certified(bundle_dir: Path) -> None:
    """A person sees that the confidence has nothing to reach, and what a certificate would take."""
    outcome = semcache("explain", bundle_dir, "now add login page", "--max-error", "0.005")
    said = said_of(outcome)
    assert said["confidence"] == "confidence 0.9933 an error of at most 0.5 % is not certified"
    assert "certified" not in said
    assert said["verdict"].startswith("verdict miss (uncertified): ")


def test_the_table_marks_candidate_and_rival(bundle_dir: Path) -> None:
    """A person sees which rows the margin was measured between, and that one of them is not the first."""
    lines = semcache("explain", bundle_dir, "Set up a PostgreSQL database please").out.splitlines()
    marked = {line.split()[1]: line.split()[5] for line in lines if line[:3] in ("1 >", "1 *", "2 >", "2 *")}
    assert set(marked.values()) == {"db/setup", "shell/setup"}
    assert set(marked) == {">", "*"}


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("a text that is none", "a long text")])
def test_the_table_fits_a_terminal_of_100_columns(bundle_dir: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of the columns is wider than the terminal; sentences may be."""
    monkeypatch.setenv("COLUMNS", "100")
    text, _, _ = CASES[case]
    lines = semcache("explain", bundle_dir, text).out.splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith(("verdict", "for a hit"))] == []


def test_the_table_of_a_guard(bundle_dir: Path) -> None:
    """A person sees the guard among the neighbours and that nothing should change."""
    out = semcache("explain", bundle_dir, "set up a MySQL database now").out
    assert "verdict     miss (guard): " in out
    assert "for a hit   nothing: a guard of db/setup is nearest" in out
    assert any("guard" in line and "set up a MySQL database" in line for line in out.splitlines())


@pytest.mark.parametrize(("text", "reason"), [("word " * 300, "too_long"), (" ?! ", "empty")])
def test_the_table_without_neighbours(bundle_dir: Path, text: str, reason: str) -> None:
    """Where nothing was searched, the verdict and the advice stand alone."""
    lines = semcache("explain", bundle_dir, text).out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["query", "normalised", "length", "verdict", "for"]
    assert f"miss ({reason}): " in lines[-2]


def test_k_limits_what_is_shown_and_not_what_is_decided(cache: Cache) -> None:
    """Showing one neighbour does not change features or result."""
    one, ten = cache.explain("now add login page", k=1), cache.explain("now add login page", k=10)
    assert (len(one.neighbours), one.features, one.result) == (1, ten.features, ten.result)
