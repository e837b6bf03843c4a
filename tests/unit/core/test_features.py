from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest

from semcache.core.features import (
    ANSWER_FACTS,
    FEATURES,
    N_SLOTS,
    N_WORDS,
    NO_WORD,
    RETRIEVAL,
    ROW_FACTS,
    Candidate,
    _SlotOf,
    lexical,
    pool,
    rarities,
)
from semcache.core.lexical import FEATURES as LEXICAL
from semcache.core.lexical import TokenRarity, analyse, token_slot

ROWS = np.array([(102, 153), (51, 127), (25, 102), (0, 0)], ROW_FACTS)
ANSWERS = np.array([(4, 0.5, 0.25), (1, 0.0, 0.125)], ANSWER_FACTS)


def pooled(scores: Sequence[float], answers: Sequence[int], rows: Sequence[int] | None = None) -> Candidate:
    """Pool neighbours, the i-th of them row i unless said otherwise."""
    rows = range(len(scores)) if rows is None else rows
    return pool(np.array(scores, np.float32), answers, list(rows), row_facts=ROWS, answer_facts=ANSWERS)


def named(candidate: Candidate) -> dict[str, float]:
    """Give the features of a candidate by name."""
    return dict(zip(RETRIEVAL, candidate.features, strict=True))


def logit(share: float) -> float:
    """Give a share as the features have it."""
    return math.log((share + 0.001) / (1.001 - share))


def test_the_features_and_their_order_never_change() -> None:
    """Trees name them by number, manifests by name."""
    assert len(FEATURES) == len(set(FEATURES)) == 22 + 1 + 40 == len(RETRIEVAL) + 1 + len(LEXICAL)
    assert FEATURES[:5] == ("score", "margin", "mean_margin", "share", "sharp_share")
    assert FEATURES[22:25] == ("unsaid", "query_unmatched", "variant_unmatched")


def test_each_feature_of_a_neighbourhood_by_hand() -> None:
    """Two rows of answer 0, one of answer 1 between them."""
    candidate = pooled([0.75, 0.625, 0.5], [0, 1, 0])
    soft = [1.0, math.exp(-2.5), math.exp(-5.0)]
    sharp = [1.0, math.exp(-6.25), math.exp(-12.5)]
    assert (candidate.answer, candidate.position, candidate.rival, candidate.margin) == (0, 0, 1, 0.125)
    assert candidate.siblings == [0, 2]
    assert named(candidate) == pytest.approx(
        {
            "score": 0.75,
            "margin": 0.125,
            "mean_margin": 0.0,
            "share": logit((soft[0] + soft[2]) / sum(soft)),
            "sharp_share": logit((sharp[0] + sharp[2]) / sum(sharp)),
            "share_of_10": 2 / 3,
            "share_of_5": 2 / 3,
            "fall_of_3": -0.125,
            "answer_mean": (0.75 + 0.5 + 2 * 0.5) / 4,
            "answer_lift": 0.5625 - 0.625,
            "answer_found": 0.5,
            "answer_rows": math.log(4),
            "lift": 0.125,
            "rival": 0.625,
            "over_hardness": 0.35,
            "hardness": 0.4,
            "over_closest": 0.15,
            "over_cohesion": 0.25,
            "cohesion": 0.5,
            "cohesion_over_hardness": 0.25,
            "range": 0.25,
            "answers": math.log(2),
        },
        abs=1e-5,
    )


def test_many_near_rows_outweigh_one_that_is_a_little_nearer() -> None:
    """The candidate is the answer with most weight, not that of the nearest row."""
    candidate = pooled([0.75, 0.7421875, 0.734375], [1, 0, 0])
    assert (candidate.answer, candidate.position, candidate.rival) == (0, 1, 0)
    assert candidate.margin == -0.0078125
    assert candidate.features[0] == 0.7421875


def test_the_nearer_of_two_equal_answers_is_the_candidate() -> None:
    """A tie goes to the row that comes first, in the same way each time."""
    candidate = pooled([0.5, 0.5], [1, 0])
    assert (candidate.answer, candidate.position, candidate.rival, candidate.margin) == (1, 0, 1, 0.0)
    assert named(candidate)["share"] == pytest.approx(0.0)


def test_without_a_rival_the_last_row_stands_in_for_it() -> None:
    """The next row may score as high as the last one: the margin is never overstated."""
    candidate = pooled([0.75, 0.5], [0, 0])
    found = named(candidate)
    assert (candidate.rival, candidate.margin) == (None, 0.25)
    assert (found["rival"], found["mean_margin"], found["answers"]) == (0.5, 0.125, 0.0)
    assert found["share"] == pytest.approx(logit(1.0))
    assert found["share"] < 7.0


def test_a_share_counts_rows_among_the_first_ten_and_five() -> None:
    """The candidate's rows 0, 4, 5 and 10: two of five, three of ten."""
    answers = [1 if i in {0, 4, 5, 10} else -1 - i for i in range(12)]
    found = named(pooled([0.75] + [0.5] * 11, answers, [0] * 12))
    assert (found["share_of_5"], found["share_of_10"]) == (0.4, 0.3)


def test_three_rows_of_other_answers_are_compared_with_three_of_the_candidate() -> None:
    """A fourth row on either side counts no more."""
    found = named(pooled([0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0, 0.0], [0, 1, 0, 1, 0, 1, 0, 1], [0] * 8))
    assert found["mean_margin"] == 0.125


def test_a_single_row_is_a_neighbourhood() -> None:
    """Nothing to compare with: no margin, no range."""
    candidate = pooled([0.75], [1], [3])
    found = named(candidate)
    assert (candidate.rival, candidate.margin, candidate.siblings) == (None, 0.0, [0])
    assert (found["margin"], found["range"], found["lift"], found["share_of_10"]) == (0.0, 0.0, 0.0, 1.0)
    assert (found["answer_found"], found["answer_rows"]) == (1.0, 0.0)


def test_a_guard_can_be_the_candidate() -> None:
    """Its number is negative and its facts are those of its own row: no answer's facts are read."""
    candidate = pooled([0.75, 0.5], [-2, 1], [1, 3])
    found = named(candidate)
    assert (candidate.answer, candidate.rival) == (-2, 1)
    assert (found["answer_rows"], found["cohesion"], found["hardness"]) == (0.0, 127 / 255, 0.2)
    assert found["cohesion_over_hardness"] == pytest.approx(76 / 255)


def test_a_guard_is_a_rival() -> None:
    """It takes weight away as a different answer does, and the margin goes to it."""
    candidate = pooled([0.75, 0.5], [0, -1])
    assert (candidate.answer, candidate.rival, candidate.margin) == (0, 1, 0.25)


def test_no_more_than_eight_rows_are_asked_what_they_say() -> None:
    """The nearest ones of the candidate."""
    candidate = pooled([0.5] * 12, [1, *[0] * 11], [0] * 12)
    assert candidate.siblings == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_answer_of_more_rows_than_were_counted_is_found_whole() -> None:
    """Facts that say less than what is seen do not make a share of more than 1."""
    found = named(pooled([0.75, 0.5, 0.25], [1, 1, 1]))
    assert (found["answer_found"], found["answer_mean"]) == (1.0, 0.5)


def plain_rarity() -> TokenRarity:
    """Give a table in which every term weighs 1."""
    return TokenRarity(np.ones(N_SLOTS, np.float32))


def slots(*terms: str) -> npt.NDArray[np.uint16]:
    """Give the slots of terms as one row has them."""
    row = np.full((1, N_WORDS), NO_WORD, np.uint16)
    row[0, : len(terms)] = [token_slot(term, N_SLOTS) for term in terms]
    return row


def terms_of(text: str) -> list[str]:
    """Give the terms of a text."""
    return list(analyse(text).places)


def test_unsaid_is_the_share_of_the_query_that_no_near_row_says() -> None:
    """Two of its four terms stand in the rows of the answer."""
    query = analyse("postgres backup schedule retention")
    terms = list(query.places)
    assert len(terms) == 4
    found = lexical(query, analyse("postgres"), np.vstack([slots(terms[0]), slots(terms[1])]), plain_rarity())
    assert found[0] == 0.5
    assert len(found) == 1 + len(LEXICAL)


def test_a_term_counts_as_much_as_it_is_rare() -> None:
    """A common word that nobody says is a small part."""
    query = analyse("postgres backup")
    rarity = np.ones(N_SLOTS, np.float32)
    rarity[token_slot(terms_of("postgres")[0], N_SLOTS)] = 3.0
    found = lexical(query, analyse("postgres"), slots(*terms_of("postgres")), TokenRarity(rarity))
    assert found[0] == 0.25


@pytest.mark.parametrize("text", ["", "?!"])
def test_a_query_without_a_term_leaves_nothing_unsaid(text: str) -> None:
    """No division by nothing."""
    assert lexical(analyse(text), analyse("postgres"), slots(), plain_rarity())[0] == 0.0


def test_no_word_is_no_slot() -> None:
    """The number that fills up a row stands for no term whatever."""
    assert all(0 <= token_slot(term, N_SLOTS) < N_SLOTS == NO_WORD for term in ("", "a", "postgr", "\ud800"))


@pytest.mark.parametrize(("token", "slot"), [("postgr", 36_279), ("", 0), ("caf\u00e9", 56_162)])
def test_the_slot_of_a_token_never_changes(token: str, slot: int) -> None:
    """CRC-32 of its UTF-8 bytes, modulo 65,535: bundles hold them."""
    assert token_slot(token, N_SLOTS) == slot


def test_slots_that_were_worked_out_are_thrown_away_before_they_are_too_many() -> None:
    """A service may be asked any number of words."""
    kept = _SlotOf()
    with patch("semcache.core.features._MOST_KEPT", 2):
        assert [kept[term] for term in ("postgr", "", "caf\u00e9", "postgr")] == [36_279, 0, 56_162, 36_279]
    assert len(kept) == 2


def test_a_term_never_seen_weighs_one_and_one_in_every_text_next_to_nothing() -> None:
    """In a corpus of any size."""
    counts = np.zeros(N_SLOTS, np.int64)
    counts[:3] = 1, 50, 100
    weights = rarities(counts, 100)
    assert weights.dtype == np.float32
    assert weights.shape == (65_535,)
    assert weights[3] == 1.0
    assert weights[:3] == pytest.approx(
        [math.log(101 / 1.5) / math.log(202), math.log(2.0) / math.log(202), 0.000935], abs=1e-4
    )


@pytest.mark.parametrize("n_texts", [0, 1])
def test_rarities_of_next_to_no_text_are_numbers(n_texts: int) -> None:
    """None is below 0, none is more than 1."""
    counts: npt.NDArray[Any] = np.zeros(N_SLOTS, np.int64)
    counts[0] = n_texts
    weights = rarities(counts, n_texts)
    assert 0.0 <= weights.min() <= weights.max() == 1.0
