from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from semcache.build.llm import LlmTally, ask_for_variants, author, estimate
from semcache.build.llm_http import ChatAnswer
from semcache.build.sidecar import Receipt, Sidecar, SidecarLog, Variant, digest_of, pack
from semcache.config import LlmConfig
from semcache.core.llm_prompt import Question, messages, read_answer
from semcache.errors import LlmError
from semcache.types import Entry

CONFIG = LlmConfig("http://localhost/v1", "m", entries_per_request=2, concurrency=1)
Reply = Callable[[dict[str, Any]], str]


def entry_of(number: int, query: str | None = None) -> Entry:
    """Give an entry."""
    return Entry(f"e{number}", query or f"question {number}", b"a", "text", ("known one",), (), "default", None, {})


class Model:
    """Answers without a network; counts what it was asked about."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply or texts_of
        self.asked: list[dict[str, Any]] = []
        self.is_stopped = False
        self._lock = threading.Lock()

    def ask(self, messages: Sequence[dict[str, str]]) -> ChatAnswer:
        """Answer."""
        request = json.loads(messages[1]["content"])
        with self._lock:
            self.asked.append(request)
        return ChatAnswer(self.reply(request), 11, 7)

    def stop(self) -> None:
        """Note it."""
        self.is_stopped = True

    @property
    def questions(self) -> Counter[str]:
        """How often each question was asked."""
        return Counter(item["question"] for request in self.asked for item in request["questions"].values())


def texts_of(request: dict[str, Any], *, n: int | None = None) -> str:
    """Answer as asked, or with n texts each, none of them known."""
    found = {}
    for number, item in request["questions"].items():
        start = len(item.get("known", []))
        found[number] = [f"{item['question']} in words {start + i}" for i in range(request["n"] if n is None else n)]
    return json.dumps(found)


def run(
    path: Path, entries: Sequence[Entry], model: Model, *, per_entry: int = 3, config: LlmConfig = CONFIG
) -> LlmTally:
    """Ask for what a sidecar lacks."""
    with Sidecar(path) as sidecar:
        log = SidecarLog(path, end=sidecar.end)
        try:
            return ask_for_variants(
                entries,
                sidecar,
                log,
                asker=model,
                config=config,
                per_entry=per_entry,
                on_entries=lambda _: None,
            )
        finally:
            log.close()


def variants_of(path: Path, entry: str) -> list[str]:
    """Give the texts that a sidecar holds for an entry."""
    with Sidecar(path) as sidecar:
        return [record.text for record in sidecar.of(entry) if isinstance(record, Variant)]


def test_each_entry_gets_what_was_asked_for(tmp_path: Path) -> None:
    """In batches, each text with its origin, and a receipt an entry."""
    path, model = tmp_path / "s", Model()
    tally = run(path, [entry_of(i) for i in range(3)], model)
    assert tally == LlmTally(n_entries=3, n_answers=2, n_given=9, n_short=0, tokens_in=22, tokens_out=14)
    assert [len(request["questions"]) for request in model.asked] == [2, 1]
    made_of, by = digest_of("question 0"), author(CONFIG)
    with Sidecar(path) as sidecar:
        assert sidecar.of("e0") == [
            *(Variant("e0", made_of, "llm", by, f"question 0 in words {i}") for i in (1, 2, 3)),
            Receipt("e0", made_of, by, 3, 3, 6, 4),
        ]


def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    """A second run asks nothing; one that wants more asks for the rest only."""
    path, entries = tmp_path / "s", [entry_of(i) for i in range(3)]
    run(path, entries, Model())
    again, more = Model(), Model()
    run(path, entries, again)
    run(path, entries, more, per_entry=5)
    assert again.asked == []
    assert [request["n"] for request in more.asked] == [2, 2]
    assert variants_of(path, "e1") == [f"question 1 in words {i}" for i in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("change", ["query", "model"])
def test_another_question_or_model_is_asked_anew(tmp_path: Path, change: str) -> None:
    """Only the entry that changed; what was paid for stays."""
    path, model = tmp_path / "s", Model()
    run(path, [entry_of(0), entry_of(1)], Model())
    if change == "query":
        run(path, [entry_of(0, "another question"), entry_of(1)], model)
        assert model.questions == {"another question": 1}
    else:
        run(path, [entry_of(0)], model, config=LlmConfig("http://localhost/v1", "other"))
        assert model.questions == {"question 0": 1}
    assert len(variants_of(path, "e0")) == 6


def test_a_short_answer_is_asked_for_the_rest(tmp_path: Path) -> None:
    """With what came named as known, so that it does not come back."""
    path, model = tmp_path / "s", Model(lambda request: texts_of(request, n=1))
    tally = run(path, [entry_of(0)], model)
    assert [request["n"] for request in model.asked] == [3, 2, 1]
    assert model.asked[2]["questions"]["1"]["known"] == ["known one", "question 0 in words 1", "question 0 in words 2"]
    assert (tally.n_given, tally.n_short) == (3, 0)


@pytest.mark.parametrize(
    "content", ["", "sorry", "{", "[1]", "{}", '{"1": "text"}', '{"1": [3, null]}', "[" * 9999 + "{}"]
)
def test_an_answer_without_texts_is_paid_for_three_times_at_most(tmp_path: Path, content: str) -> None:
    """Then the entry is given up, in later runs too."""
    path, entries = tmp_path / "s", [entry_of(0)]
    model, later = Model(lambda _: content), Model()
    tally = run(path, entries, model)
    assert (len(model.asked), tally.n_short, tally.tokens_in) == (3, 1, 33)
    run(path, entries, later)
    assert later.asked == []


def test_an_answer_may_stand_in_a_fence(tmp_path: Path) -> None:
    """Models like to wrap what they give."""
    model = Model(lambda request: f"Sure!\n```json\n{texts_of(request)}\n```\nAnything else?")
    assert run(tmp_path / "s", [entry_of(0)], model).n_given == 3


@pytest.mark.parametrize("n_calls", range(4))
def test_a_refusal_keeps_what_was_answered(tmp_path: Path, n_calls: int) -> None:
    """Whenever it comes; the next run asks for the rest and nothing twice."""
    path, entries = tmp_path / "s", [entry_of(i) for i in range(8)]
    left = iter(range(n_calls))

    def refuse(request: dict[str, Any]) -> str:
        if next(left, None) is None:
            raise LlmError("http://localhost/v1", "no money left")
        return texts_of(request)

    model, later = Model(refuse), Model()
    with pytest.raises(LlmError, match="no money left"):
        run(path, entries, model)
    run(path, entries, later)
    answered = Counter({f"question {i}": 1 for i in range(2 * n_calls)})
    assert model.is_stopped
    assert later.questions == Counter({entry.query: 1 for entry in entries}) - answered
    assert all(len(variants_of(path, entry.id)) == 3 for entry in entries)


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_sidecar_that_was_cut_anywhere_is_completed(tmp_path: Path, cut: int) -> None:
    """Every whole line is kept, and no whole text is asked for again."""
    path, whole = tmp_path / "s", tmp_path / "whole"
    run(whole, [entry_of(0), entry_of(1)], Model())
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    kept = [line for line in data[: len(data) - cut].splitlines(keepends=True) if line.endswith(b"\n")]
    n_texts = sum(b'"text"' in line for line in kept)
    model = Model()
    run(path, [entry_of(0), entry_of(1)], model)
    assert path.read_bytes().startswith(b"".join(kept))
    assert len(variants_of(path, "e0")) >= 3
    assert len(set(variants_of(path, "e1"))) >= 3
    assert sum(request["n"] * len(request["questions"]) for request in model.asked) <= 2 * (6 - n_texts) + 2


def test_an_interrupt_writes_down_what_is_under_way(tmp_path: Path) -> None:
    """The requests that were sent are waited for."""
    path = tmp_path / "s"
    config = LlmConfig("http://localhost/v1", "m", entries_per_request=1, concurrency=2)
    sent, held = threading.Event(), threading.Event()

    def reply(request: dict[str, Any]) -> str:
        sent.set()
        held.wait(5)
        return texts_of(request)

    def entries() -> Any:
        yield entry_of(0)
        sent.wait(5)
        threading.Timer(0.1, held.set).start()
        raise KeyboardInterrupt

    model = Model(reply)
    with pytest.raises(KeyboardInterrupt):
        run(path, entries(), model, config=config)
    assert (model.is_stopped, len(variants_of(path, "e0"))) == (True, 3)


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    """And every entry is asked about once."""
    path, model = tmp_path / "s", Model()
    config = LlmConfig("http://localhost/v1", "m", entries_per_request=3, concurrency=8)
    entries = [entry_of(i) for i in range(100)]
    tally = run(path, entries, model, config=config)
    assert (tally.n_entries, tally.n_given) == (100, 300)
    assert model.questions == Counter(entry.query for entry in entries)
    assert all(len(variants_of(path, entry.id)) == 3 for entry in entries)


def test_an_estimate_sends_nothing(tmp_path: Path) -> None:
    """It counts what is missing."""
    path, entries = tmp_path / "s", [entry_of(i) for i in range(5)]
    run(path, entries[:2], Model())
    with Sidecar(path) as sidecar:
        found = estimate(entries, sidecar, CONFIG, per_entry=3)
    assert (found.n_entries, found.n_answers) == (3, 2)
    assert found.tokens_in > 300


def test_the_prompt_names_what_is_asked() -> None:
    """Numbered, with what must not come back."""
    system, user = messages([Question("q?", ("a",)), Question("r?")], n=4)
    assert (system["role"], user["role"]) == ("system", "user")
    assert json.loads(user["content"]) == {
        "n": 4,
        "questions": {"1": {"question": "q?", "known": ["a"]}, "2": {"question": "r?"}},
    }


def test_only_usable_texts_are_taken() -> None:
    """No repetition, nothing without a word, nothing endless, no control character, no more than asked for."""
    given = ["Q", "a!", "?", "x" * 401, " two\n words\x00", 3, "\ud800", "two words", "new", "newer"]
    content = json.dumps({"1": given})
    assert read_answer(content, [Question("q?", ("A",)), Question("r?")], n=2) == [["two words", "new"], []]


def test_a_line_that_was_kept_is_one_variant(tmp_path: Path) -> None:
    """Texts with quotes, line ends and other scripts survive the file."""
    text = 'say "hi" \u2028 \u65e5\u672c'
    path = tmp_path / "s"
    path.write_bytes(pack(Variant("e", "0" * 32, "llm", "m", text)))
    assert variants_of(path, "e") == [text]
