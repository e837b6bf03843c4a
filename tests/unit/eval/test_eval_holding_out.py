from __future__ import annotations

from typing import Any

import eval_path  # noqa: F401
import pytest
from eval.holding_out import HeldOut, of_corpora, of_set
from eval.splits import SetUp
from eval.texts import Item

from semcache.core.text import normalise

SET_UP = SetUp("cards", "cards", 2, known_splits=("train",))
GROUPS = ("card", "pin")
ITEMS = [
    Item(f"{part} {group} {i}", group, split=part) for group in GROUPS for part in ("train", "test") for i in range(6)
]


def entries(n: int = 200) -> list[dict[str, Any]]:
    """Give entries with three texts each, every tenth with one; each rejects a text of the next one and another."""
    return [
        {
            "id": f"space/{i}",
            "namespace": "space",
            "query": f"text {i}",
            "paraphrases": [] if i % 10 == 0 else [f"Text {i} again", f"text {i} once more"],
            "rejects": [f"TEXT {i + 1}", f"never {i}"],
            "answer": str(i),
        }
        for i in range(n)
    ]


def texts_of(entry: dict[str, Any]) -> list[str]:
    """Give what is indexed of an entry with its answer."""
    return [entry["query"], *entry["paraphrases"]]


@pytest.fixture(scope="module")
def held() -> HeldOut:
    """Give such a corpus with texts left out."""
    return of_corpora({"space": entries()}, seed=0)


def test_every_entry_with_several_texts_is_asked_once(held: HeldOut) -> None:
    """A quarter of them must miss; those with one text stay as they are."""
    assert (len(held.asked), held.n_asked("space")) == (180, 180)
    assert 30 <= held.n_to_miss("space") <= 60
    singles = [entry for entry in held.corpora["space"] if not entry["paraphrases"]]
    assert [entry["id"] for entry in singles] == [f"space/{i}" for i in range(0, 200, 10)]
    assert held.traffic == ()


def test_what_is_asked_is_not_indexed(held: HeldOut) -> None:
    """Neither with its answer nor as another entry's reject; other rejects stay."""
    asked = {normalise(line["text"]) for line in held.asked}
    kept = held.corpora["space"]
    assert asked.isdisjoint(normalise(text) for entry in kept for text in [*texts_of(entry), *entry["rejects"]])
    assert all(f"never {entry['id'][6:]}" in entry["rejects"] for entry in kept)
    assert any(len(entry["rejects"]) == 2 for entry in kept)


def test_a_query_is_labelled_with_its_entry_or_its_entry_is_gone(held: HeldOut) -> None:
    """What must miss has no other wording in the corpus."""
    kept = {entry["id"]: entry for entry in held.corpora["space"]}
    whole = {text: entry["id"] for entry in entries() for text in texts_of(entry)}
    for line in held.asked:
        own = whole[line["text"]]
        assert line["entry_id"] == (own if own in kept else None)
        assert line["kind"] == ("space" if own in kept else "space, must miss")
        assert own not in kept or len(texts_of(kept[own])) == 2


def test_a_seed_decides() -> None:
    """The same texts for the same seed, others for another."""
    first, again, other = (of_corpora({"space": entries()}, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert [line["text"] for line in first.asked] != [line["text"] for line in other.asked]


def test_half_of_a_sets_queries_are_traffic() -> None:
    """Known phrasings are entries, the rest is asked or traffic, texts from outside must miss."""
    held = of_set(ITEMS, SET_UP, outside=["a", "b", "c", "d"], most=100, seed=0)
    assert [(entry["id"], len(texts_of(entry))) for entry in held.corpora["cards"]] == [("card", 2), ("pin", 2)]
    assert (len(held.asked), len(held.traffic)) == (8, 8)
    lines = [*held.asked, *held.traffic]
    asked = [f"test {group} {i}" for group in GROUPS for i in range(6)]
    assert sorted(line["text"] for line in lines) == sorted([*"abcd", *asked])
    assert {line["entry_id"] for line in lines if line["text"] in "abcd"} == {None}
    assert {line["entry_id"] for line in lines if "pin" in line["text"]} == {"pin"}
    assert len(of_set(ITEMS, SET_UP, most=10, seed=0).asked) == 5
