from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from semcache.build.known import Ints, Judged, KnownRows, Query, Words
from semcache.core.features import FEATURES, N_SLOTS, N_WORDS, NO_WORD
from semcache.core.lexical import analyse, token_slot
from semcache.core.vectors import FloatRows, unit_rows

WORDS = [
    "list",
    "show",
    "copy",
    "move",
    "delete",
    "restore",
    "open",
    "table",
    "file",
    "folder",
    "backup",
    "user",
    "page",
]


class Corpus:
    """Rows of random texts and vectors, each near the middle of its answer; the last answers are guards."""

    def __init__(self, seed: int, *, n_answers: int = 8, rows_each: int = 4, n_guards: int = 6) -> None:
        rng = np.random.default_rng(seed)
        guards = ~rng.integers(0, n_answers, n_guards)
        self.answers: Ints = np.concatenate([np.repeat(np.arange(n_answers), rows_each), guards]).astype(np.int64)
        middles = rng.normal(size=(n_answers, 12))
        owners = np.where(self.answers < 0, ~self.answers, self.answers)
        noise = rng.normal(size=(len(self.answers), 12))
        self.vectors: FloatRows = unit_rows((middles[owners] + 0.9 * noise).astype(np.float32))
        self.texts = [" ".join(rng.choice(WORDS, 5)) for _ in self.answers]
        words = Words()
        for text in self.texts:
            words.add(text)
        self.rarity, self.words = words.finish()
        self.firsts: Ints = np.arange(len(self.answers))
        self.rng = rng

    def copy(self, row: int, into: Sequence[int]) -> None:
        """Have other rows be the text of a row, as in other namespaces."""
        for other in into:
            self.texts[other], self.vectors[other], self.words[other] = (
                self.texts[row],
                self.vectors[row],
                self.words[row],
            )
            self.firsts[other] = self.firsts[row]

    def known(self, keep: Sequence[int] | None = None, *, n_neighbours: int = 64) -> KnownRows:
        """Give the rows, or some of them as if the others had never been there."""
        rows = np.arange(len(self.answers)) if keep is None else np.array(keep)
        return KnownRows(
            [self.texts[row] for row in rows],
            self.answers[rows],
            self.vectors[rows],
            rarity=self.rarity,
            words=self.words[rows],
            search=searching(self.vectors[rows]),
            n_neighbours=n_neighbours,
            firsts=np.unique(self.firsts[rows], return_inverse=True)[1],
        )

    def query(self, row: int, answer: int | None) -> Query:
        """Give a query that is nearly the text of a row."""
        noise = 0.1 * self.rng.normal(size=(1, 12))
        vector = unit_rows((self.vectors[row][None] + noise).astype(np.float32))[0]
        return Query(f"{self.texts[row]} please", vector, frozenset() if answer is None else frozenset({answer}))


def searching(vectors: FloatRows) -> Callable[[FloatRows, int], tuple[FloatRows, Ints]]:
    """Give an exact search, ties by row; every score is the same to the bit whatever else is indexed."""

    def search(queries: FloatRows, k: int) -> tuple[FloatRows, Ints]:
        scores = (queries[:, None, :] * vectors[None]).sum(axis=2).astype(np.float32)
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, axis=1), rows

    return search


def one(known: KnownRows, query: Query) -> Judged:
    """Judge a single query."""
    (judged,) = known.judge([query])
    return judged


def features(judged: Judged) -> dict[str, float]:
    """Give the features by name."""
    return dict(zip(FEATURES, judged.features.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n_neighbours", [5, 64])
def test_a_row_that_is_left_out_leaves_no_trace(seed: int, n_neighbours: int) -> None:
    """Neighbours, hardness, closest and cohesion are those of a corpus that never had the row."""
    corpus = Corpus(seed)
    known = corpus.known(n_neighbours=n_neighbours)
    for row in range(len(corpus.answers)):
        query = corpus.query(row, int(corpus.answers[row]))
        found = one(known, replace(query, without_row=row))
        without = [other for other in range(len(corpus.answers)) if other != row]
        wanted = one(corpus.known(without, n_neighbours=n_neighbours), query)
        assert features(found) == pytest.approx(features(wanted), abs=1e-6)
        assert (found.candidate.answer, found.is_right) == (wanted.candidate.answer, wanted.is_right)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n_neighbours", [5, 64])
def test_a_text_that_stands_in_several_namespaces_is_left_out_of_all(seed: int, n_neighbours: int) -> None:
    """With another answer, with the same one, or as a guard: a query made of it meets none of its rows."""
    corpus = Corpus(seed)
    groups = [(0, 5, 9), (2, 3), (12, 33), (17, 18, 24, 30)]
    for first, *others in groups:
        corpus.copy(first, others)
    known = corpus.known(n_neighbours=n_neighbours)
    for row in (row for group in groups for row in group if row < 32):
        copies = next(set(group) for group in groups if row in group)
        query = corpus.query(row, int(corpus.answers[row]))
        found = one(known, replace(query, without_row=row))
        without = [other for other in range(len(corpus.answers)) if other not in copies]
        wanted = one(corpus.known(without, n_neighbours=n_neighbours), query)
        assert features(found) == pytest.approx(features(wanted), abs=1e-6)
        assert (found.candidate.answer, found.is_right) == (wanted.candidate.answer, wanted.is_right)
        answer = int(corpus.answers[row])
        outside = one(known, replace(query, without_row=row, without_answer=answer, without_guard=~answer))
        without = [other for other in without if corpus.answers[other] not in (answer, ~answer)]
        wanted = one(corpus.known(without, n_neighbours=n_neighbours), query)
        assert features(outside) == pytest.approx(features(wanted), abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_an_answer_that_lacks_a_copy_is_not_thinned_too(seed: int) -> None:
    """It lacks a row already: one that is right must not look different from one that is wrong."""
    corpus = Corpus(seed, n_guards=0)
    corpus.copy(0, [5, 9, 13])
    known = corpus.known()
    for row in (0, 5, 9, 13):
        found = one(known, replace(corpus.query(row, None), without_row=row, is_thinned=True))
        n_rows = round(float(np.exp(features(found)["answer_rows"])))
        assert n_rows == int((corpus.answers == found.candidate.answer).sum()) - 1


def test_a_text_in_very_many_namespaces_costs_other_queries_nothing() -> None:
    """They reach no further, and are searched together."""
    corpus = Corpus(1, n_answers=400, rows_each=2)
    corpus.copy(0, range(2, 700))
    blocks = corpus.known()._blocks([replace(corpus.query(row, None), without_row=row) for row in range(700, 800)])
    assert [len(block) for block in blocks] == [100]
    blocks = corpus.known()._blocks([replace(corpus.query(row, None), without_row=row) for row in (0, 701, 702)])
    assert [len(block) for block in blocks] == [1, 2]


@pytest.mark.parametrize("seed", range(12))
def test_an_entry_that_is_left_out_leaves_no_trace(seed: int) -> None:
    """All rows of its answer and all its guards: what remains is what was there without it."""
    corpus = Corpus(seed)
    known = corpus.known()
    for row in range(32):
        answer = int(corpus.answers[row])
        query = corpus.query(row, None)
        found = one(known, replace(query, without_row=row, without_answer=answer, without_guard=~answer))
        without = [r for r, a in enumerate(corpus.answers.tolist()) if a not in (answer, ~answer)]
        wanted = one(corpus.known(without), query)
        assert features(found) == pytest.approx(features(wanted), abs=1e-6)
        assert found.candidate.answer == wanted.candidate.answer not in (answer, ~answer)


def test_what_is_left_out_of_one_query_is_there_for_the_next() -> None:
    """Queries are judged one by one, whatever is asked together with them."""
    corpus = Corpus(3)
    queries = [corpus.query(row, int(corpus.answers[row])) for row in range(32)]
    mixed = [replace(q, without_row=i) if i % 2 else q for i, q in enumerate(queries)]
    together = list(corpus.known().judge(mixed))
    alone = [one(corpus.known(), query) for query in mixed]
    assert [j.features.tolist() for j in together] == [j.features.tolist() for j in alone]


def test_the_facts_are_those_that_a_search_finds() -> None:
    """Hardness: the best row of another answer. Closest: the best other row of its own. A row is not its own."""
    corpus = Corpus(5)
    rows, answers = corpus.known().facts()
    cosines = corpus.vectors @ corpus.vectors.T
    np.fill_diagonal(cosines, -2.0)
    same = corpus.answers[:, None] == corpus.answers[None]
    own = np.where(same, cosines, -2.0).max(axis=1)
    hardness, closest = rows["hardness"] / 255, rows["closest"] / 255
    assert hardness == pytest.approx(np.where(same, 0.0, cosines).max(axis=1).clip(0), abs=0.5 / 255 + 1e-6)
    assert closest == pytest.approx(own.clip(0), abs=0.5 / 255 + 1e-6)
    assert answers["n_rows"].tolist() == [4] * 8
    assert answers["cohesion"] == pytest.approx(closest[:32].reshape(8, 4).mean(axis=1), abs=1e-6)
    assert answers["hardness"] == pytest.approx(hardness[:32].reshape(8, 4).max(axis=1), abs=1e-6)


def test_a_lookup_sees_the_facts_that_a_bundle_holds() -> None:
    """What is judged without leaving anything out rests on the very numbers that are written."""
    corpus = Corpus(6)
    known = corpus.known()
    rows, answers = known.facts()
    for row in range(0, 32, 5):
        judged = one(corpus.known(), corpus.query(row, int(corpus.answers[row])))
        found, answer = features(judged), judged.candidate.answer
        if answer >= 0:
            assert found["cohesion"] == pytest.approx(float(answers["cohesion"][answer]))
            assert found["hardness"] in rows["hardness"][corpus.answers == answer] / 255


def test_an_answer_with_one_row_has_no_cohesion() -> None:
    """Nothing of its own is near."""
    rows, answers = Corpus(7, rows_each=1, n_guards=0).known().facts()
    assert rows["closest"].tolist() == [0.0] * 8
    assert answers["cohesion"].tolist() == [0.0] * 8


def test_a_single_row_has_facts() -> None:
    """There is nothing else to measure them by."""
    rows, answers = Corpus(8, n_answers=1, rows_each=1, n_guards=0).known().facts()
    assert rows.tolist() == [(0.0, 0.0)]
    assert answers.tolist() == [(1, 0.0, 0.0)]


def test_a_query_that_finds_nothing_is_passed_over() -> None:
    """All there is was left out."""
    corpus = Corpus(9, n_answers=1, rows_each=3, n_guards=0)
    query = replace(corpus.query(0, None), without_row=0, without_answer=0)
    assert [judged.is_right for judged in corpus.known().judge([query, corpus.query(1, 0)])] == [True]
    assert [judged is None for judged in corpus.known().judge_each([query, corpus.query(1, 0)])] == [True, False]


def test_what_is_right_is_the_answer_and_no_guard() -> None:
    """A guard as the nearest row keeps even the right answer back."""
    corpus = Corpus(10, n_guards=0)
    right = one(corpus.known(), corpus.query(0, 0))
    wrong = one(corpus.known(), corpus.query(0, 1))
    none = one(corpus.known(), corpus.query(0, None))
    assert (right.is_right, wrong.is_right, none.is_right) == (True, False, False)
    corpus.answers[0] = ~5
    guarded = one(corpus.known(), replace(corpus.query(0, 0), vector=corpus.vectors[0]))
    assert (guarded.is_guarded, guarded.is_right) == (True, False)


def test_an_answer_of_very_many_rows_has_facts_where_it_is_nearest() -> None:
    """However far down among its rows the nearest one stands."""
    corpus = Corpus(11, n_answers=2, rows_each=600, n_guards=0)
    judged = one(corpus.known(), replace(corpus.query(599, 0), vector=corpus.vectors[599]))
    assert judged.candidate.answer == 0
    rows, _ = corpus.known().facts()
    assert features(judged)["hardness"] == pytest.approx(rows["hardness"][599] / 255, abs=1e-6)


def test_a_lookup_knows_all_rows_of_a_large_answer() -> None:
    """As many as there are: what a verifier learned of 512 of them would mean something else in a lookup."""
    corpus = Corpus(11, n_answers=2, rows_each=600, n_guards=0)
    judged = one(corpus.known(), replace(corpus.query(599, 0), vector=corpus.vectors[599]))
    _, answers = corpus.known().facts()
    assert features(judged)["answer_rows"] == pytest.approx(6.3969, abs=1e-4)
    assert features(judged)["cohesion"] == pytest.approx(float(answers["cohesion"][0]))


def test_a_query_without_a_large_answer_finds_what_is_behind_it() -> None:
    """All 600 rows of it are left out, and the neighbours are as many as ever, among others as without them."""
    corpus = Corpus(12, n_answers=3, rows_each=600, n_guards=0)
    inside = corpus.query(0, 0)
    outside = replace(corpus.query(1, None), without_row=1, without_answer=0)
    found = list(corpus.known().judge([inside, outside, inside]))
    wanted = one(corpus.known(range(600, 1800)), corpus.query(1, None))
    assert [judged.candidate.answer == 0 for judged in found] == [True, False, True]
    assert found[1].candidate.answer == wanted.candidate.answer
    assert features(found[1])["answer_rows"] == pytest.approx(6.3969, abs=1e-4)
    assert found[0].features.tolist() == found[2].features.tolist()


def test_another_search_finds_the_neighbours_of_some_queries() -> None:
    """As within a namespace: the candidate is one of those found, and what is known of its rows stays as it was."""
    corpus = Corpus(13)
    members = np.flatnonzero(corpus.answers >= 4)

    def search(queries: FloatRows, k: int) -> tuple[FloatRows, Ints]:
        scores, places = searching(corpus.vectors[members])(queries, k)
        return scores, members[places]

    known = corpus.known()
    (found,) = known.judge_each([corpus.query(0, 0)], search=search)
    assert found is not None
    assert found.candidate.answer >= 4
    assert features(found)["hardness"] == pytest.approx(known.facts()[0]["hardness"][found.row] / 255)


def slots_of(text: str) -> list[int]:
    """Give the slots of a text's terms, rising."""
    return sorted({token_slot(term, N_SLOTS) for term in analyse(text).places})


def test_words_are_the_slots_of_each_rows_terms() -> None:
    """Rising, then 65,535 for no word."""
    words = Words()
    for text in ("list all files", "", "list the postgres tables"):
        words.add(text)
    rarity, slots = words.finish()
    assert (slots.dtype.str, slots.shape) == ("<u2", (3, N_WORDS))
    for row, text in zip(slots.tolist(), ("list all files", "", "list the postgres tables"), strict=True):
        assert row == [*slots_of(text), *[NO_WORD] * (N_WORDS - len(slots_of(text)))]
    listed, postgres = slots_of("list")[0], slots_of("postgres")[0]
    assert 0 < rarity[listed] < rarity[postgres] < 1.0


def test_of_a_long_text_the_longest_terms_are_kept() -> None:
    """Sixteen of them, rising; of equally long ones those with the lower slot: whatever other rows there are."""
    terms = ["q" * 4 + chr(97 + i) * (4 + i // 3) + "z" for i in range(20)]
    assert len(slots_of(" ".join(terms))) == 20
    short_first = sorted(terms, key=lambda term: (len(term), -slots_of(term)[0]))
    words = Words()
    words.add(" ".join(terms))
    for term in terms[:3]:
        words.add(term)
    kept = sorted(slots_of(term)[0] for term in short_first[4:])
    assert words.finish()[1][0].tolist() == kept


def test_no_rows_have_no_words() -> None:
    """An empty corpus is one."""
    rarity, slots = Words().finish()
    found: npt.NDArray[np.float32] = rarity
    assert (slots.shape, found.min(), found.max()) == ((0, N_WORDS), 1.0, 1.0)
