"""Texts for the benchmarks: any number of realistic questions and answers, made from the shipped corpora.

Deterministic: the same corpora, number and seed give the same texts. The questions are the shipped ones first, then
recombinations of them (words replaced by others that follow the same word somewhere, heads and tails joined at a
shared preposition). They read like questions and lie where questions lie; what they mean does not matter here.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from semcache.core.text import normalise

GENERATOR = 1
"""Raised when other texts come out, so that bundles are built anew."""
CORPUS_DIR = Path(__file__).resolve().parents[2] / "corpus"
CORPORA = ("speckit.jsonl", "shell.jsonl", "python.jsonl")
ANSWER_CHARS = (200, 1100)
QUESTION_CHARS = (12, 200)
_JOINTS = frozenset({"a", "and", "as", "by", "for", "from", "in", "into", "of", "on", "that", "the", "to", "with"})


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the shipped answer that comes closest to being its own."""

    text: str
    answer: str


def shipped_entries() -> list[dict[str, Any]]:
    """Return the entries of all shipped corpora."""
    entries: list[dict[str, Any]] = []
    for name in CORPORA:
        with (CORPUS_DIR / name).open(encoding="utf-8") as file:
            entries += [json.loads(line) for line in file]
    return entries


def shipped_questions() -> list[Question]:
    """Return every query and paraphrase of the shipped corpora, each once."""
    seen: set[str] = set()
    questions = []
    for entry in shipped_entries():
        for text in (entry["query"], *entry.get("paraphrases", ())):
            key = normalise(text)
            if key not in seen:
                seen.add(key)
                questions.append(Question(text, entry["answer"]))
    return questions


class TextMaker:
    """Makes questions and answers. One seed, one stream of texts."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - texts, not secrets
        self._questions = shipped_questions()
        self._words = [question.text.split() for question in self._questions]
        self._followers: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[list[str]]] = defaultdict(list)
        for words in self._words:
            for i, (before, word) in enumerate(pairwise(words)):
                self._followers[before.lower()].append(word)
                if before.lower() in _JOINTS:
                    self._tails[before.lower()].append(words[i + 1 :])
        self._lines = [line for entry in shipped_entries() for line in entry["answer"].splitlines() if len(line) >= 20]

    def questions(self) -> Iterator[Question]:
        """Yield different questions without end: the shipped ones in a seeded order, then made ones."""
        seen: set[str] = set()
        order = list(range(len(self._questions)))
        self._rng.shuffle(order)
        for i in order:
            seen.add(normalise(self._questions[i].text))
            yield self._questions[i]
        low, high = QUESTION_CHARS
        while True:
            i = self._rng.randrange(len(self._questions))
            made = self._joined(self._words[i]) if self._rng.random() < 0.5 else list(self._words[i])
            text = " ".join(self._replaced(made))
            key = normalise(text)
            if low <= len(text) <= high and key and key not in seen:
                seen.add(key)
                yield Question(text, self._questions[i].answer)

    def _joined(self, words: list[str]) -> list[str]:
        """Give a text the tail of another one, after a preposition that both have."""
        joints = [i for i, word in enumerate(words[:-1]) if i and word.lower() in _JOINTS]
        if not joints:
            return list(words)
        joint = self._rng.choice(joints)
        return words[: joint + 1] + self._rng.choice(self._tails[words[joint].lower()])

    def _replaced(self, words: list[str]) -> list[str]:
        """Replace one to three words by words that follow the same word elsewhere."""
        for _ in range(self._rng.randint(1, 3)):
            if len(words) > 1:
                i = self._rng.randrange(1, len(words))
                followers = self._followers.get(words[i - 1].lower())
                if followers:
                    words[i] = self._rng.choice(followers)
        return words

    def answer(self, question: Question) -> str:
        """Return an answer of 200 to 1,100 characters: the question's own, then lines of others."""
        wanted = self._rng.randint(*ANSWER_CHARS)
        text = question.answer
        while len(text) < wanted:
            text += "\n" + self._rng.choice(self._lines)
        return text[:wanted]


def write_corpus(path: Path, *, n_entries: int, n_held_out: int, seed: int) -> list[str]:
    """Write a corpus of one question an entry; return as many further questions that are not in it."""
    maker = TextMaker(seed)
    stream = maker.questions()
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_entries):
            question = next(stream)
            entry = {
                "id": f"bench/{number:07d}",
                "query": question.text,
                "answer": maker.answer(question),
                "namespace": "bench",
                "tags": ["bench", question.text.split()[0].lower()],
                "source": "scripts/bench/texts.py",
            }
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return [next(stream).text for _ in range(n_held_out)]
