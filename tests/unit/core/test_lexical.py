from __future__ import annotations

import pytest

from semcache.core.lexical import (
    FEATURES,
    MISMATCHES,
    Lexical,
    TokenRarity,
    analyse,
    compare,
    mismatches,
    token_slot,
)
from semcache.core.reading import DATES, NO_FACTS, NUMBERS, QUANTIFIERS, QUANTITIES, TIMES, UNITS, VERSIONS
from semcache.core.stem import stem


def equal_rarity(term: str) -> float:
    """Weigh every term alike."""
    return float(bool(term))


def features_of(query: str, variant: str) -> dict[str, float]:
    """Return all features of two texts, by name."""
    return dict(zip(FEATURES, compare(analyse(query), analyse(variant), equal_rarity), strict=True))


def told(query: str, variant: str) -> set[str]:
    """Return the names of the facts that differ."""
    return set(mismatches(compare(analyse(query), analyse(variant), equal_rarity)))


DIFFERENT = [
    ("reset my production database", "how do I reset my dev database?", "exclusive"),
    ("permanently delete soft-deleted rows", "restore soft-deleted rows", "undoing"),
    ("unprotect main", "protect the main branch", "antonym"),
    ("make a column nullable", "add a NOT NULL column", "negation"),
    ("remove infinite scroll", "add infinite scroll", "antonym"),
    ("set up SQLAlchemy without Alembic", "set up SQLAlchemy with Alembic", "negation"),
    ("disable autoscaling", "set up autoscaling", "antonym"),
    ("test my API without load", "load test my API", "negation"),
    ("downgrade Python", "upgrade Python", "antonym"),
    ("import tasks from Jira", "export tasks to Jira", "direction"),
    ("upgrade PostgreSQL 16 to 17", "upgrade PostgreSQL 15 to 16", "version_changed"),
    ("MySQL 5.7", "MySQL 8", "version_changed"),
    ("publish a private npm package", "publish an npm package", "qualifier_extra"),
    ("sign in to Google", "sign in with Google", "relation"),
    ("skip a test permanently", "skip a test", "qualifier_extra"),
    ("resolve conflicts automatically", "resolve a merge conflict", "qualifier_extra"),
    ("increase bundle size", "reduce bundle size", "antonym"),
    ("list files over 10 MB", "list files over 10 GB", "unit"),
    ("wait 5 minutes", "wait 5 hours", "unit"),
    ("retry 3 times", "retry 5 times", "number_changed"),
    ("a table of 10,000 rows", "a table of 1,000 rows", "number_changed"),
    ("show ten lines", "show twelve lines", "number_changed"),
    ("limit the upload to 50%", "limit the upload to 60 percent", "number_changed"),
    ("show the last 20 lines", "show the last lines", "number_extra"),
    ("show the last lines", "show the last 20 lines", "number_missing"),
    ("run tests on Python 3.12", "run tests on Python 3.11", "version_changed"),
    ("install v2 of the cli", "install v3 of the cli", "version_changed"),
    ("python3 venv", "python2 venv", "version_changed"),
    ("upgrade Django", "upgrade Django 4.2", "version_missing"),
    ("what happened in 2019", "what happened in 2021", "date_changed"),
    ("run the job on Monday", "run the job on Friday", "date_changed"),
    ("report of January", "report of March", "date_changed"),
    ("start at 10:30", "start at 11:30", "date_changed"),
    ("files of 2024-03-01", "files of 2024-04-01", "date_changed"),
    ("what does foo_bar do", "what does foo_baz do", "identifier_changed"),
    ("use the --force flag", "use the --dry-run flag", "identifier_changed"),
    ("grep -r", "grep -R", "identifier_changed"),
    ("find all *.py files", "find all *.js files", "identifier_changed"),
    ("edit /etc/hosts", "edit /etc/passwd", "identifier_changed"),
    ("rename `alpha`", "rename `beta`", "identifier_changed"),
    ("set up Cypress", "set up Playwright", "exclusive"),
    ("deploy to AWS", "deploy to Azure", "exclusive"),
    ("install node on ubuntu", "install node on windows", "exclusive"),
    ("parse JSON", "parse YAML", "exclusive"),
    ("pip install", "npm install", "name_changed"),
    ("call Anna about the invoice", "call Boris about the invoice", "name_changed"),
    ("ask about the Falcon project", "ask about the project", "name_extra"),
    ("files that are empty", "files that are not empty", "negation"),
    ("never retry a request", "retry a request", "negation"),
    ("delete every file except logs", "delete every file", "negation"),
    ("the app fails to start", "start the app", "negation"),
    ("users are unable to log in", "users log in", "negation"),
    ("jobs that lack a label", "jobs that have a label", "negation"),
    ("logs are rarely written", "logs are written", "negation"),
    ("it does not retry and never logs", "it does retry and never logs", "negation"),
    ("is an invalid token accepted", "is a valid token accepted", "antonym"),
    ("mark the change as irrelevant", "mark the change as relevant", "antonym"),
    ("encrypt a column", "decrypt a column", "antonym"),
    ("push a branch", "pull a branch", "antonym"),
    ("merge two files", "split two files", "antonym"),
    ("lock a table", "unlock a table", "antonym"),
    ("make a repo public", "make a repo private", "antonym"),
    ("sort ascending", "sort descending", "antonym"),
    ("scale up the service", "scale down the service", "antonym"),
    ("turn on debug mode", "turn off debug mode", "antonym"),
    ("turn the lights on", "turn the lights off", "antonym"),
    ("maintenance mode on", "maintenance mode off", "antonym"),
    ("light mode", "dark mode", "antonym"),
    ("align left", "align right", "antonym"),
    ("the minimum of a list", "the maximum of a list", "antonym"),
    ("run before each test", "run after each test", "relation"),
    ("subscribe to a topic", "unsubscribe from a topic", "antonym"),
    ("is it mutable", "is it immutable", "antonym"),
    ("revoke api key", "api key", "undoing"),
    ("cancel an invitation", "invitation", "undoing"),
    ("why does the build fail", "how does the build fail", "question"),
    ("who wrote this module", "when was this module written", "question"),
    ("how many rows are there", "how do I get the rows there", "question"),
    ("migrate from MongoDB to Postgres", "migrate from Postgres to MongoDB", "direction"),
    ("convert a list to a tuple", "convert a tuple to a list", "direction"),
    ("merge main into feature", "merge feature into main", "direction"),
    ("replace tabs with spaces", "replace spaces with tabs", "direction"),
    ("use bash instead of powershell", "use powershell instead of bash", "direction"),
    ("the first element", "the last element", "quantifier"),
    ("at least five users", "at most five users", "quantifier"),
    ("more than 3 tries", "less than 3 tries", "quantifier"),
    ("delete only the newest log", "delete the newest log", "quantifier"),
    ("deploy if the tests pass", "deploy the tests pass", "qualifier_extra"),
    ("copy a folder", "copy a folder recursively", "qualifier_missing"),
    ("install today's release", "install the release", "time"),
    ("weather today", "weather", "time"),
    ("install the latest release", "install the release", "time"),
]
"""Texts that need different answers, and one feature that must say so."""

SAME = [
    ("whats the way to put login into my app", "how do I add login to my app?"),
    ("how do i instal the specfy cli", "How do I install the specify CLI?"),
    ("please tell me how to set up docker", "docker setup"),
    ("could you help me log in to the site?", "how do I sign in to the website?"),
    ("wait 60 seconds", "wait 1 minute"),
    ("How can I delete a Git branch", "remove a git branch"),
    ("turn dark mode off", "disable dark mode"),
    ("a table of 10k rows", "a table of 10,000 rows"),
    ("retry ten times", "retry 10 times"),
    ("wait 5 min", "wait 5 minutes"),
    ("a limit of 50%", "a limit of 50 percent"),
    ("MySQL 8.0 setup", "setup mysql 8"),
    ("python 3 venv", "python3 venv"),
    ("roll the database back", "rollback the db"),
    ("delete the repo", "Remove the repository!"),
    ("k8s secrets", "Kubernetes secrets"),
    ("postgres backups", "PostgreSQL backup"),
    ("how to get rid of a stash", "remove a stash"),
    ("hey, how can i rename a brnach? thanks", "rename a branch"),
    ("how do I creat a databse index", "create a database index"),
    ("What is the command to list containers?", "how do I list containers?"),
    ("is there a way to undo a commit?", "how to undo a commit"),
    ("I don't know how to add a test", "how do I add a test"),
    ("end-to-end tests", "e2e tests"),
    ("end to end tests with cypress", "Cypress E2E tests"),
    ("pull requests on GitHub", "PRs on github"),
    ("ADD A COLUMN TO A TABLE", "add a column to a table"),
    ("Add A Column To A Table", "add a column to a table"),
    ("front end auth", "frontend authentication"),
    ("soft deleted rows", "soft-deleted rows"),
    ("configure autoscaling", "configure auto scaling"),
    ("what's a mutex", "what is a mutex"),
    ("run `pytest` in CI", "run pytest in ci"),
    ("my modal won't open", "my modal can't open"),
    ("the server fails to start", "the server won't start"),
    ("my build fails", "my build failed"),
    ("import a port list", "a port list to import"),
    ("run a single test", "run only one test"),
    ("", ""),
    ("convert a list to a string in python", "python: convert list to string"),
    ("how many rows does a table have", "how many rows are in a table"),
]
"""Texts that ask the same: no fact may differ."""


@pytest.mark.parametrize(("query", "variant", "feature"), DIFFERENT)
def test_a_differing_fact_is_told(query: str, variant: str, feature: str) -> None:
    """Two texts that need different answers differ in the feature that says why."""
    assert feature in told(query, variant)


@pytest.mark.parametrize(("query", "variant", "feature"), DIFFERENT)
def test_a_differing_fact_is_told_from_both_sides(query: str, variant: str, feature: str) -> None:
    """Whichever text is the query; what is extra in one is missing in the other."""
    mirrored = {"extra": "missing", "missing": "extra"}
    stem, _, side = feature.rpartition("_")
    assert (f"{stem}_{mirrored[side]}" if side in mirrored else feature) in told(variant, query)


@pytest.mark.parametrize(("query", "variant"), SAME)
def test_a_paraphrase_is_all_clear(query: str, variant: str) -> None:
    """Typing errors, politeness, synonyms, casing and other units of the same amount are no mismatch."""
    assert told(query, variant) == set()
    assert told(variant, query) == set()


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("how do i instal the specfy cli", "How do I install the specify CLI?"),
        ("remove a git branch", "delete a git branch"),
        ("configure autoscaling", "configure auto scaling"),
    ],
)
def test_a_misspelt_word_a_synonym_and_a_word_in_two_are_matched(query: str, variant: str) -> None:
    """They leave nothing unmatched, and are told apart from equal words by `soft`."""
    found = features_of(query, variant)
    assert found["query_unmatched"] == found["variant_unmatched"] == 0.0
    assert found["soft"] > 0.0


def test_half_of_a_word_is_not_matched_a_second_time() -> None:
    """The second half went with "keyboard": taking it out again for "borad" raised."""
    found = features_of("key board layout", "keyboard borad layout")
    assert found["query_unmatched"] == 0.0
    assert found["variant_unmatched"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("import", "export"),
        ("--foo", "--fop"),
        ("foo_bar_one", "foo_bar_ons"),
        ("10000001", "10000002"),
        ("test", "text"),
        ("mutable", "immutable"),
        ("install", "uninstall"),
    ],
)
def test_what_is_no_typing_error_is_not_matched(query: str, variant: str) -> None:
    """Known words, opposites, numbers and identifiers are never taken for each other."""
    assert features_of(query, variant)["query_unmatched"] == 1.0


def test_half_of_a_word_in_two_is_not_matched_again() -> None:
    """`mount points` is `mountpoint`; its second half, by itself a typing error of `print`, raised an error here."""
    found = features_of("list all nfs mount points", "print the disk and the mountpoint")
    assert (found["query_unmatched"], found["variant_unmatched"]) == pytest.approx((1 / 2, 2 / 3))


def test_shares_are_weighed_by_rarity() -> None:
    """The share of a side that is unmatched is a share of its rarity, and its rarest unmatched term is told."""
    weights = {"kubernet": 6.0, "kubernetes": 6.0, "list": 1.0, "pod": 3.0}
    found = dict(
        zip(
            FEATURES,
            compare(analyse("list kubernetes pods"), analyse("list"), lambda term: weights[term]),
            strict=True,
        )
    )
    assert found["query_unmatched"] == pytest.approx(0.9)
    assert found["query_rarest"] == 6.0
    assert found["variant_unmatched"] == found["variant_rarest"] == 0.0


def test_the_order_of_matched_words_is_told() -> None:
    """Words that are the same in another order are no evidence of the same question."""
    assert features_of("what eats a shark or whale", "what eats a whale or shark")["disorder"] > 0.0
    assert features_of("man bites dog", "dog bites man")["disorder"] == 1.0
    assert features_of("man bites dog", "man bites the dog")["disorder"] == 0.0


def test_a_pointing_query_is_told() -> None:
    """A query that rests on what was said before is marked where the variant does not rest on it."""
    assert features_of("delete it", "delete a file")["pointing"] == 1.0
    assert features_of("delete a file", "delete it")["pointing"] == 0.0


def test_lengths_are_told() -> None:
    """The gap between the lengths, and how short the shorter text is, in terms."""
    found = features_of("delete git branch main", "delete")
    assert found["length_gap"] == 0.75
    assert found["brevity"] == 0.5


def test_texts_without_words_of_weight_match_nothing() -> None:
    """Where one side says nothing, all of the other side is unmatched."""
    found = features_of("how do I", "delete a branch")
    assert found["query_unmatched"] == found["variant_unmatched"] == 1.0
    assert features_of("", "")["query_unmatched"] == 0.0


def test_feature_names_are_unique_and_in_the_order_of_the_values() -> None:
    """Fitted weights refer to these names: renaming, adding or moving one is a change of the bundle."""
    assert len(set(FEATURES)) == len(FEATURES) == 40
    assert FEATURES[:5] == ("query_unmatched", "variant_unmatched", "query_rarest", "variant_rarest", "soft")
    assert FEATURES[-2:] == ("length_gap", "brevity")
    assert len(compare(analyse("a b"), analyse("c d"), equal_rarity)) == len(FEATURES)
    assert {"name_extra", "negation", "antonym", "relation"} <= MISMATCHES
    assert MISMATCHES.isdisjoint({"query_unmatched", "verb_changed", "disorder", "pointing", "length_gap"})


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("wait 10k ms", QUANTITIES, {"10 s"}),
        ("1,000 rows", NUMBERS, {"1000"}),
        ("ten rows", NUMBERS, {"10"}),
        ("five million rows", NUMBERS, {"5000000"}),
        ("5 min", UNITS, {"s60.0"}),
        ("5GB", QUANTITIES, {"5.36870912e+09 byte"}),
        ("50%", QUANTITIES, {"50 percent"}),
        ("$5", QUANTITIES, {"5 dollar"}),
        ("the 3rd row", NUMBERS, {"3"}),
        ("python 3.12", VERSIONS, {"3.12"}),
        ("version 8.0", VERSIONS, {"8"}),
        ("numpy 2.1.3", VERSIONS, {"2.1.3"}),
        ("from postgres 15 to 16", VERSIONS, {"15", "16"}),
        ("since 2019", DATES, {"2019"}),
        ("on Tuesdays", DATES, {"tue"}),
        ("in sept", DATES, {"sep"}),
        ("all but at least 3", QUANTIFIERS, {"all", ">="}),
        ("over 30 days", QUANTIFIERS, {">"}),
        ("newest files today", TIMES, {"latest", "today"}),
    ],
)
def test_facts_are_read(text: str, kind: int, values: set[str]) -> None:
    """Numbers, amounts, versions, dates and quantifiers in the form they are compared in."""
    assert analyse(text).facts[kind] == values


def test_a_plain_text_has_no_facts() -> None:
    """Texts without any share one empty value, which makes comparing them fast."""
    assert analyse("how do I rename a branch").facts is NO_FACTS


def test_casing_that_tells_nothing_makes_no_names() -> None:
    """A capital inside a sentence is a name; in a text where most words have one it is not."""
    assert analyse("ask about the Falcon project").names == {"falcon"}
    assert analyse("Ask About The Falcon Project").names == set()
    assert analyse("Falcon is down. Restart the service").names == set()


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("how do I x", "how"),
        ("hi, how to x", "how"),
        ("what is the way to x", "how"),
        ("what is x", "what"),
        ("why x", "why"),
        ("how many x", "amount"),
        ("is x a y", "yes"),
        ("delete x", ""),
        ("the file which I deleted", ""),
        ("run tests when a file changes", ""),
    ],
)
def test_questions_are_read(text: str, question: str) -> None:
    """By their question word; commands and keywords have none."""
    assert analyse(text).question == question


def test_token_slots_are_stable() -> None:
    """They are stored in bundles: these numbers hold for ever."""
    assert [token_slot(token, 65_536) for token in ("kubernetes", "", "\u00fc", "\ud800")] == [
        51_408,
        0,
        27_093,
        42_280,
    ]
    assert {token_slot(str(i), 7) for i in range(100)} == set(range(7))


def test_token_rarity_reads_its_table() -> None:
    """A term's weight is that of its slot, also when it is asked for again."""
    slots = [0.0] * 16
    slots[token_slot("git", 16)] = 2.5
    rarity = TokenRarity(slots)
    assert [rarity["git"], rarity["git"]] == [2.5, 2.5]
    assert len(rarity) == 1


def test_token_rarity_keeps_a_bounded_number() -> None:
    """Queries of ever new words do not fill the memory."""
    rarity = TokenRarity([1.0])
    for i in range(10_000):
        assert rarity[str(i)] == 1.0
    assert len(rarity) <= 8192


@pytest.mark.parametrize(
    "text", ["", " ", "\x00\x1f", "\ud800 \udfff", "'", '"" ``', "()", "...", "\u4f60\u597d", "9" * 400]
)
def test_any_text_is_read(text: str) -> None:
    """Nothing raises, and a text against itself is all clear."""
    read = analyse(text)
    assert isinstance(read, Lexical)
    assert told(text, text) == set()


def test_features_are_stable() -> None:
    """Fitted weights rest on these values: a change of them is a change of every bundle with a verifier."""
    query, variant = analyse("How do I upgrade Postgres 15 to 16 wihtout downtime?"), analyse("downgrade postgresql 16")
    found = dict(zip(FEATURES, compare(query, variant, lambda term: 1.0 + token_slot(term, 4)), strict=True))
    assert {name: round(value, 4) for name, value in found.items() if value} == {
        "query_unmatched": 0.8182,
        "variant_unmatched": 0.6,
        "query_rarest": 4.0,
        "variant_rarest": 3.0,
        "soft": 0.2,
        "verb_changed": 1.0,
        "version_extra": 1.0,
        "qualifier_extra": 1.0,
        "negation": 1.0,
        "antonym": 1.0,
        "undoing": 1.0,
        "length_gap": 0.4,
        "brevity": 0.25,
    }


@pytest.mark.parametrize(
    ("misspelt", "spelt"),
    [
        ("migrate the db witthout downtime", "migrate the db without downtime"),
        ("deltee a task", "delete a task"),
        ("the fisrt row", "the first row"),
        ("ignroing case", "ignoring case"),
        ("skip a test permanetly", "skip a test permanently"),
    ],
)
def test_a_misspelt_fact_is_still_a_fact(misspelt: str, spelt: str) -> None:
    """A typing error in "without" or "first" neither hides a fact nor makes one."""
    assert told(misspelt, spelt) == set()


@pytest.mark.parametrize("word", ["files", "pairs", "window", "crate", "plain", "trial", "produce", "stripe"])
def test_a_real_word_is_not_corrected(word: str) -> None:
    """Although a word of the tables is one letter away."""
    assert set(analyse(word).places) == {stem(word)}
