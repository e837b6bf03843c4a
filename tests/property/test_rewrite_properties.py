from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from semcache.core.llm_prompt import Question, read_answer
from semcache.core.rewrite import rewrites
from semcache.core.text import normalise

WORDS = st.sampled_from(
    [
        "how do i",
        "how to",
        "what is",
        "the",
        "a",
        "delete",
        "folder",
        "page",
        "not",
        "5",
        "`x y`",
        "What's",
        "vs",
        "from",
    ]
)
QUESTIONS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


@given(st.one_of(st.text(max_size=200), QUESTIONS), st.integers(0, 20), st.integers(0, 2**31 - 1))
def test_rewrites_are_new_distinct_and_few(text: str, limit: int, seed: int) -> None:
    """Of any text at all, and the same ones each time."""
    found = rewrites(text, limit=limit, seed=seed)
    keys = [normalise(rewrite.text) for rewrite in found]
    assert len(found) <= limit
    assert len(set(keys)) == len(keys)
    assert not {"", normalise(text)} & set(keys)
    assert found == rewrites(text, limit=limit, seed=seed)


@given(QUESTIONS)
def test_rewrites_lose_no_number_and_no_quote(text: str) -> None:
    """Whatever the rule."""
    for rewrite in rewrites(text, limit=50):
        assert rewrite.text.count("5") == text.count("5"), rewrite
        assert rewrite.text.count("`") == text.count("`"), rewrite


@given(st.text(max_size=300))
def test_garbage_of_a_model_is_a_value_error_or_nothing(content: str) -> None:
    """Nothing else is raised, and no more comes back than was asked for."""
    try:
        found = read_answer(content, [Question("q")], n=2)
    except ValueError:
        return
    assert len(found) == 1
    assert len(found[0]) <= 2
