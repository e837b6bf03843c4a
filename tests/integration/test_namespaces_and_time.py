"""Namespaces are searched, not filtered afterwards; entries that expired are never served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shared import ENTRIES, HASHING, write_corpus

from semcache import BuildReport, Cache, Hit, Kind, Miss, Reason, Result, build_bundle
from semcache.config import IndexChoice
from semcache.errors import ConfigError

TOPICS = ("kubernetes", "postgres", "tailwind", "chess", "gardening", "astronomy", "bicycle", "cooking")
QUERY = "postgres number 5"
FAR_TOPICS = ("wwww vvvv", "yyyy uuuu", "dddd ffff", "ssss rrrr", "bbbb hhhh")
CROWDED: list[dict[str, Any]] = [
    {"id": f"near/{i}", "query": f"{TOPICS[i % 8] * 3} {TOPICS[i % 8]} number {i}", "answer": "a", "namespace": "near"}
    for i in range(2000)
]
CROWDED += [
    {"id": f"few/{i}", "query": f"zzzz qqqq xxxx jjjj {i}", "answer": f"few {i}", "namespace": "few"} for i in range(5)
]
CROWDED += [
    {"id": f"most/{i}", "query": f"{FAR_TOPICS[i % 5]} mmmm {i}", "answer": "b", "namespace": "most"}
    for i in range(2500)
]
ASKED = (
    *("add login page", "now add login page", "docker", "", "remove the login page", "set up a MySQL database now"),
    *("set up a postgresql database", "How to use database version nine", "list all files", "list all the files"),
    *("word " * 300, "\ud800", "Set up a PostgreSQL database please", "add login page"),
)


def outcome(result: Result) -> str:
    """Give the answer of a hit, or the reason of a miss."""
    return result.text if isinstance(result, Hit) else result.reason.value


@pytest.fixture
def cache(bundle_dir: Path) -> Iterator[Cache]:
    """Give an open cache of the small corpus."""
    with Cache.open(bundle_dir) as opened:
        yield opened


@pytest.fixture(scope="module")
def crowded_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a root with one bundle a kind of index: thousands of rows near the query, others far from it.

    Texts here differ in a number only, so near misses of their own would take every certificate away.
    """
    root = tmp_path_factory.mktemp("crowded")
    corpus = write_corpus(root / "crowded.jsonl", CROWDED)
    kinds: tuple[IndexChoice, ...] = ("flat", "ivf", "hnsw")
    for kind in kinds:
        build_bundle([corpus], name=kind, root=root, config=replace(HASHING, index=kind, outside_share=0.0))
    return root


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_small_namespace_far_from_the_query_gives_all_its_rows(crowded_root: Path, kind: str) -> None:
    """The five rows of a namespace are found although 2,000 rows of another one are nearer."""
    with Cache.open(kind, root=crowded_root) as cache:
        found = cache.search(QUERY, 5, namespace="few")
    assert sorted(row.entry_id for row in found) == ["few/0", "few/1", "few/2", "few/3", "few/4"]


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_large_namespace_far_from_the_query_gives_k_rows(crowded_root: Path, kind: str) -> None:
    """A namespace of more than half the rows gives k of them, however far they are from the query."""
    with Cache.open(kind, root=crowded_root) as cache:
        found = cache.search(QUERY, 20, namespace="most")
    assert [row.namespace for row in found] == ["most"] * 20


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_semantic_hit_in_a_small_namespace(crowded_root: Path, kind: str) -> None:
    """A lookup limited to a namespace serves its entry as if the others were not there."""
    with Cache.open(kind, root=crowded_root) as cache:
        assert outcome(cache.lookup("zzzz qqqq xxxx jjjj 3 3", namespace="few")) == "few 3"


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_search_gives_all_rows_of_a_namespace_where_k_is_more(crowded_root: Path, kind: str) -> None:
    """A k above the number of rows is no error; each row comes once."""
    with Cache.open(kind, root=crowded_root) as cache:
        assert len({row.row for row in cache.search(QUERY, 100, namespace="few")}) == 5


def test_neighbours_in_a_namespace_come_best_first(crowded_root: Path) -> None:
    """The order of a search does not depend on the filter."""
    with Cache.open("ivf", root=crowded_root) as cache:
        scores = [row.score for row in cache.search("zzzz qqqq number 2", 5, namespace="few")]
    assert scores == sorted(scores, reverse=True)


def test_the_same_text_in_two_namespaces_is_ambiguous(cache: Cache) -> None:
    """Without a namespace, nobody can tell which of two answers is meant."""
    result = cache.lookup("set up a postgresql database")
    assert isinstance(result, Miss)
    assert result.reason is Reason.AMBIGUOUS


def test_an_ambiguous_miss_names_the_namespaces(cache: Cache) -> None:
    """The caller is told between what to choose."""
    result = cache.lookup("set up a postgresql database")
    assert isinstance(result, Miss)
    assert "different answers in the namespaces web, shell; name one" in result.detail


@pytest.mark.parametrize(("namespace", "answer"), [("web", "docker run postgres"), ("shell", "createdb app")])
def test_a_namespace_resolves_an_ambiguous_text(cache: Cache, namespace: str, answer: str) -> None:
    """With a namespace, the same text has one answer."""
    assert outcome(cache.lookup("Set up a postgresql database!", namespace=namespace)) == answer


def test_the_same_text_with_one_answer_in_two_namespaces_is_served(build: Callable[..., BuildReport]) -> None:
    """Two namespaces that agree leave nothing to choose."""
    entries = [{"id": name, "query": "who am I", "answer": "root", "namespace": name} for name in ("one", "two")]
    with Cache.open(build(entries).path) as cache:
        assert outcome(cache.lookup("Who am I?")) == "root"


def test_two_answers_in_two_namespaces_are_not_served_semantically(cache: Cache) -> None:
    """A text near to one that has two answers has no margin; a namespace gives it one."""
    text = "set up a PostgreSQL database please"
    assert [outcome(cache.lookup(text)), outcome(cache.lookup(text, namespace="web"))] == [
        "below_threshold",
        "docker run postgres",
    ]


def test_an_entry_of_another_namespace_is_not_served(cache: Cache) -> None:
    """A text that hits in one namespace misses in the other, exactly and semantically."""
    texts = ("add login page", "now add login page")
    assert [outcome(cache.lookup(text, namespace="shell")) for text in texts] == ["below_threshold"] * 2


def test_a_guard_of_another_namespace_bars_nothing(cache: Cache) -> None:
    """A guard protects its own namespace only."""
    result = cache.lookup("remove the login page", namespace="shell")
    assert isinstance(result, Miss)
    assert result.reason is Reason.BELOW_THRESHOLD


@pytest.mark.parametrize("text", ["add login page", "now add login page", "", "\ud800", "word " * 300])
def test_an_unknown_namespace_is_the_first_reason(cache: Cache, text: str) -> None:
    """Where there is no such namespace, nothing is looked up at all."""
    result = cache.lookup(text, namespace="wbe")
    assert result == Miss(Reason.NO_NAMESPACE, None, None, cache.info.id, "no namespace 'wbe'; there are: shell, web")


def test_search_in_an_unknown_namespace_is_an_error(cache: Cache) -> None:
    """A search has no miss to return."""
    with pytest.raises(ConfigError, match="namespace: found 'wbe', allowed shell, web"):
        cache.search("login", namespace="wbe")


@pytest.mark.parametrize("text", ["How to use database version NINE?", "how to use database version nine again"])
@pytest.mark.parametrize("namespace", [None, "web"])
def test_an_expired_entry_is_not_served(cache: Cache, text: str, namespace: str | None) -> None:
    """After valid_until an entry misses, whether its text is asked exactly or nearly."""
    result = cache.lookup(text, namespace=namespace)
    assert isinstance(result, Miss)
    assert result.nearest is not None
    assert (result.reason, result.nearest.entry_id) == (Reason.EXPIRED, "db/old")


def test_an_entry_whose_time_has_not_come_is_served(cache: Cache) -> None:
    """Before valid_until an entry is like any other."""
    result = cache.lookup("postgres setup please")
    assert isinstance(result, Hit)
    assert (result.kind, result.entry_id) == (Kind.EXACT, "db/setup")


def test_an_entry_expires_while_the_bundle_is_open(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is read at each lookup, not when the bundle is opened."""
    before = outcome(cache.lookup("postgres setup please"))
    monkeypatch.setattr("semcache.lookup.cache.time.time", lambda: 32_472_144_001.0)  # 2999-01-01T00:00:01Z
    assert [before, outcome(cache.lookup("postgres setup please"))] == ["docker run postgres", "expired"]


@pytest.mark.parametrize("namespace", [None, "web", "shell", "wbe"])
@pytest.mark.parametrize("max_error", [None, 0.02, 0.005])
def test_lookup_many_is_lookup_of_each(cache: Cache, namespace: str | None, max_error: float | None) -> None:
    """A batch gives, in order, what each text gives alone, to the last field."""
    together = cache.lookup_many(ASKED, namespace=namespace, max_error=max_error)
    assert together == [cache.lookup(text, namespace=namespace, max_error=max_error) for text in ASKED]


def test_lookup_many_of_mixed_texts(cache: Cache) -> None:
    """Hits and misses of every tier keep their places in a batch."""
    assert [outcome(result) for result in cache.lookup_many(ASKED, namespace="web")] == [
        "Write the spec of the login first.\nThen plan it.",
        "Write the spec of the login first.\nThen plan it.",
        "below_threshold",
        "empty",
        "guard",
        "guard",
        "docker run postgres",
        "expired",
        "below_threshold",
        "below_threshold",
        "too_long",
        "invalid_text",
        "docker run postgres",
        "Write the spec of the login first.\nThen plan it.",
    ]


def test_no_semantic_hit_without_a_certificate(cache: Cache) -> None:
    """Who states an error that the bundle has no certificate for gets exact hits only."""
    found = [outcome(result) for result in cache.lookup_many(["add login page", "now add login page"], max_error=0.005)]
    assert found == [ENTRIES[0]["answer"], "uncertified"]


def test_an_exact_hit_needs_no_encoder(bundle_dir: Path, cache: Cache) -> None:
    """Nothing is embedded for a result that is known beforehand."""
    encoders = bundle_dir.parent / "encoders"
    encoders.rename(encoders.with_name("elsewhere"))
    assert outcome(cache.lookup("add login page", max_error=0.005)) == ENTRIES[0]["answer"]


def test_an_expired_twin_does_not_hide_a_valid_entry(build: Callable[..., BuildReport]) -> None:
    """The same text and answer in two namespaces: the entry that is still valid answers."""
    twin = {"query": "how do I bake bread?", "answer": "slowly"}
    report = build(
        [
            {**twin, "id": "old", "namespace": "a", "valid_until": "2001-01-01T00:00:00Z"},
            {**twin, "id": "new", "namespace": "b"},
        ],
        name="twins",
    )
    with Cache.open(report.path) as cache:
        result = cache.lookup("how do i bake bread")
        assert isinstance(result, Hit)
        assert result.entry_id == "new"
