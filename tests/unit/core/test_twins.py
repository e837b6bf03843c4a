from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from semcache.core.inflect import forms, gerund, third_person
from semcache.core.lexical import analyse, compare, mismatches
from semcache.core.text import normalise
from semcache.core.twins import KINDS, SAME_KINDS, Twin, harmless, twins

CORPUS_DIR = Path(__file__).resolve().parents[3] / "corpus"


def twin_of(text: str, kind: str, seed: int = 0) -> str | None:
    """Return the twin of a kind, or None."""
    return next((twin.text for twin in twins(text, seed=seed) if twin.kind == kind), None)


def all_of(text: str, kind: str) -> set[str]:
    """Return the twins of a kind that some seed gives."""
    return {found for seed in range(30) if (found := twin_of(text, kind, seed)) is not None}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("find files that are empty", "negation", "find files that are not empty"),
        ("find files that do not contain foo", "negation", "find files that contain foo"),
        ("print lines ending with a dot", "negation", "print lines not ending with a dot"),
        ("how do I run the migration?", "negation", "how do I avoid running the migration?"),
        ("build without cache", "negation", "build with cache"),
        ("how do I enable the cache?", "antonym", "how do I disable the cache?"),
        ("add a label to an issue", "antonym", "remove a label from an issue"),
        ("sort in ascending order", "antonym", "sort in descending order"),
        ("delete files older than 755 days", "number", "delete files older than 644 days"),
        ("the third element", "number", "the fourth element"),
        ("print two columns", "number", "print three columns"),
        ("python 3 print", "number", None),
        ("the report of January 2015", "date", "the report of February 2015"),
        ("files modified yesterday", "date", "files modified today"),
        ("meet on Friday", "date", "meet on Saturday"),
        ("pay 2015 dollars", "date", None),
        ("files older than 7 days", "unit", "files older than 7 weeks"),
        ("files over 10MB", "unit", "files over 10GB"),
        ("zero days", "unit", None),
        ("upgrade to postgres 16", "version", "upgrade to postgres 15"),
        ("set up django", "version", "set up django 1.11"),
        ("set up mutt", "version", None),
        ("ping 10.0.0.1", "version", None),
        ("running the script", "antonym", None),
        ("files changed in the last 30 days", "quantifier", None),
        ("list *.py files", "name", "list *.js files"),
        ("convert a list to a tuple", "direction", "convert a tuple to a list"),
        ("copy logs from the server to my laptop", "direction", "copy logs from my laptop to the server"),
        ("replace tabs with spaces", "direction", "replace spaces with tabs"),
        ("change the mode to 755", "direction", None),
        ("show the first row", "quantifier", "show the last row"),
        ("at least three users", "quantifier", "at most three users"),
        ("what is a mutex", "condition", None),
    ],
)
def test_a_twin_is_made(text: str, kind: str, expected: str | None) -> None:
    """Where the rule applies, and only there."""
    assert expected in all_of(text, kind) or (expected is None and not all_of(text, kind))


def test_a_name_is_swapped_within_its_set_and_its_casing() -> None:
    """For another one of the same kind."""
    assert all_of("deploy to AWS", "name") <= {
        f"deploy to {name}" for name in ("Azure", "GCP", "DigitalOcean", "Heroku", "Vercel", "Netlify")
    }
    assert all(twin.islower() for twin in all_of("set up jest", "name"))


def test_the_condition_fits_the_text() -> None:
    """It goes before the closing mark, and says nothing that the text says already."""
    made = all_of("How do I rotate the api key?", "condition")
    assert len(made) > 3
    assert all(twin.startswith("How do I rotate the api key ") and twin.endswith("?") for twin in made)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("what is a mutex", "contraction", "what's a mutex"),
        ("do not retry", "contraction", "don't retry"),
        ("how do I rename a branch?", "opening", "how to rename a branch?"),
        ("rename a branch", "opening", "how do I rename a branch?"),
        ("delete a branch", "synonym", "remove a branch"),
        ("rename a branch", "politeness", "please rename a branch"),
        ("rename a branch", "casing", "Rename a branch"),
        ("grep -R foo", "casing", None),
        ("run it", "typo", None),
    ],
)
def test_a_harmless_rewording_is_made(text: str, kind: str, expected: str | None) -> None:
    """Where the rule applies, and only there."""
    made = {twin.text for seed in range(30) for twin in harmless(text, seed=seed) if twin.kind == kind}
    assert expected in made or (expected is None and not made)


def test_the_same_seed_gives_the_same_twins() -> None:
    """In every process: training data can be made anew."""
    text = "How do I delete the first 3 rows of a table in PostgreSQL 16?"
    assert twins(text, seed=1) == twins(text, seed=1)
    assert harmless(text, seed=1) == harmless(text, seed=1)
    assert twins("delete the repo", seed=1)[0] == Twin("negation", "never delete the repo")


@pytest.mark.parametrize("text", ["", "  ", "?", "a" * 401, "\ud800", "\x00", "'" * 300, "from " * 70, "1 " * 200])
def test_a_text_that_is_no_question_has_few_or_none(text: str) -> None:
    """And none raises."""
    assert len(twins(text, seed=0)) <= len(KINDS)
    assert len(harmless(text, seed=0)) <= len(SAME_KINDS)


def test_the_shipped_corpora_give_twins_that_differ_and_rewordings_that_do_not() -> None:
    """Every twin is another text, nearly all state another fact; nearly no harmless rewording does."""
    counts: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    lines = (CORPUS_DIR / "speckit.jsonl").read_bytes().splitlines()
    for line in lines:
        text = orjson.loads(line)["query"]
        read = analyse(text)
        for twin in (*twins(text, seed=0), *harmless(text, seed=0)):
            assert normalise(twin.text) != normalise(text) or twin.kind == "casing"
            counts[twin.kind] += 1
            flagged[twin.kind] += bool(mismatches(compare(analyse(twin.text), read, lambda _: 1.0)))
    assert {kind for kind in KINDS if flagged[kind] < 0.7 * counts[kind]} == set()
    assert {kind for kind in SAME_KINDS if flagged[kind] > 0.1 * counts[kind]} == set()
    assert min(counts[kind] for kind in ("negation", "antonym", "condition", *SAME_KINDS[:1])) >= 200


def test_forms_of_verbs() -> None:
    """As far as twins need them."""
    assert [gerund(verb) for verb in ("make", "stop", "see", "commit", "open", "copy", "log")] == [
        *("making", "stopping", "seeing", "committing", "opening", "copying", "logging")
    ]
    assert [third_person(verb) for verb in ("fix", "push", "copy", "play", "run")] == [
        *("fixes", "pushes", "copies", "plays", "runs")
    ]
    assert forms("deny") == {"base": "deny", "s": "denies", "ing": "denying", "ed": "denied"}
    assert "ed" not in forms("send")
