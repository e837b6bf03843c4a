"""explain: what it shows of each kind of result, and what it says would have to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import semcache

from semcache import Cache, Explanation

CASES = {
    "an exact hit": ("add login page", None, "hit"),
    "a semantic hit": ("now add login page", None, "hit"),
    "a far text": ("docker", None, "below_threshold"),
    "two answers": ("Set up a PostgreSQL database please", None, "below_margin"),
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
def test_the_rule_of_the_bundle_is_shown(cache: Cache, case: str) -> None:
    """Threshold and least margin are those the bundle was built with, whatever the result."""
    explanation = explained(cache, case)
    assert (explanation.threshold, explanation.min_margin, explanation.max_tokens) == (0.7, 0.05, 256)


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
    ("case", "margin"),
    [
        ("an exact hit", 0.5413),
        ("a semantic hit", 0.5702),
        ("two answers", 0.0),
        ("a long text", None),
        ("an empty text", None),
    ],
)
def test_the_margin_is_the_distance_to_the_best_different_answer(cache: Cache, case: str, margin: float | None) -> None:
    """The margin is measured to another answer or a guard, not to the next text of the same answer."""
    assert explained(cache, case).margin == (None if margin is None else pytest.approx(margin, abs=2e-3))


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
        ("a far text", "a variant nearer by 0.578 in score: add this wording to the right entry's paraphrases"),
        ("two answers", "0.050 more margin to the next different answer: say what tells the two apart"),
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


def test_a_far_text_near_two_answers_lacks_both(cache: Cache) -> None:
    """Where score and margin are too small, both are named."""
    changes = cache.explain("add files").changes
    assert changes == (
        "a variant nearer by 0.303 in score: add this wording to the right entry's paraphrases",
        "0.026 more margin to the next different answer: say what tells the two apart",
    )


def test_the_table_of_a_hit(bundle_dir: Path) -> None:
    """A person sees score, margin and verdict, each beside what it had to reach."""
    lines = semcache("explain", bundle_dir, "now add login page").out.splitlines()
    said = {line.split()[0]: " ".join(line.split()) for line in lines if line and line.split()[0].isalpha()}
    assert said["score"] == "score 0.9183 >= 0.7000 enough"
    assert said["margin"].startswith("margin 0.5702 >= 0.0500 enough")
    assert said["verdict"] == "verdict hit (semantic): login/add"
    assert "for" not in said


def test_the_table_of_a_miss_below_the_threshold(bundle_dir: Path) -> None:
    """A person sees that the score is too little, and how much is missing."""
    out = semcache("explain", bundle_dir, "docker").out
    assert "score       0.1217 <  0.7000  too little" in out
    assert "verdict     miss (below_threshold): " in out
    assert "for a hit   a variant nearer by 0.578 in score" in out


def test_the_table_of_a_miss_below_the_margin(bundle_dir: Path) -> None:
    """A person sees that the score would do and the margin does not."""
    out = semcache("explain", bundle_dir, "Set up a PostgreSQL database please").out
    assert "score       0.9224 >= 0.7000  enough" in out
    assert "margin      0.0000 <  0.0500  too little" in out
    assert "verdict     miss (below_margin): " in out
    assert "for a hit   0.050 more margin" in out


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
    """Showing one neighbour does not change margin or result."""
    one, ten = cache.explain("now add login page", k=1), cache.explain("now add login page", k=10)
    assert (len(one.neighbours), one.margin, one.result) == (1, ten.margin, ten.result)
