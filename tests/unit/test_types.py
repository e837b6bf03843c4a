from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from semcache.types import Hit, Kind, Miss, Neighbour, Reason, VariantKind

HIT = Hit(
    entry_id="e",
    value=memoryview("caf\u00e9".encode()),
    value_type="text",
    kind=Kind.EXACT,
    score=1.0,
    confidence=1.0,
    threshold=None,
    variant="v",
    namespace="default",
    bundle_id="0" * 32,
    metadata_json=b'{"licence":"MIT","tags":["a"]}',
)
MISS = Miss(reason=Reason.EMPTY, score=None, nearest=None, bundle_id="0" * 32, detail="nothing left")


def test_a_text_answer_is_text_and_its_json_is_the_string() -> None:
    """Both ways of reading give the same."""
    assert (HIT.text, HIT.json()) == ("caf\u00e9", "caf\u00e9")


def test_a_text_answer_that_looks_like_json_stays_text() -> None:
    """The corpus said that it is text."""
    assert replace(HIT, value=memoryview(b"[1]")).json() == "[1]"


@pytest.mark.parametrize(
    ("stored", "parsed"), [(b'{"a":[1,null]}', {"a": [1, None]}), (b"0", 0), (b"false", False), (b'"x"', "x")]
)
def test_a_json_answer_is_parsed_and_its_text_is_the_json(stored: bytes, parsed: object) -> None:
    """Whatever JSON it is."""
    hit = replace(HIT, value=memoryview(stored), value_type="json")
    assert (hit.json(), hit.text) == (parsed, stored.decode())


def test_metadata_is_parsed() -> None:
    """Tags, source, licence and x_ fields."""
    assert HIT.metadata == {"licence": "MIT", "tags": ["a"]}


def test_hit_and_miss_are_told_apart_without_isinstance() -> None:
    """By one attribute that both have."""
    assert (HIT.hit, MISS.hit) == (True, False)


@pytest.mark.parametrize("value", [HIT, MISS])
def test_a_result_cannot_be_changed(value: Any) -> None:
    """It may be shared between threads."""
    with pytest.raises(FrozenInstanceError):
        value.score = 0.5


@pytest.mark.parametrize("value", [HIT, MISS])
def test_a_result_takes_no_other_attribute(value: Any) -> None:
    """A slip in a name is an error, not a new attribute."""
    with pytest.raises((AttributeError, TypeError)):
        value.other = 1


def test_the_words_of_results_never_change() -> None:
    """They are in logs and in the JSON of the command line."""
    assert [str(kind) for kind in Kind] == ["exact", "semantic"]
    assert [str(kind) for kind in VariantKind] == ["query", "paraphrase", "guard", "rule", "llm"]
    assert {str(reason) for reason in Reason} == {
        *("empty", "invalid_text", "no_namespace", "ambiguous", "too_long", "unknown_word"),
        *("guard", "below_threshold", "expired", "uncertified"),
    }


def test_a_neighbour_is_equal_to_one_of_the_same_fields() -> None:
    """Results can be compared in tests."""
    one = Neighbour(3, 0.5, "e", VariantKind.GUARD, "v", "default")
    assert one == replace(one)
    assert one != replace(one, row=4)
