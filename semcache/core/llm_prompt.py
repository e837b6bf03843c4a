"""What a language model is asked for paraphrases, and how its answer is read. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from semcache.core.rewrite import MAX_CHARS
from semcache.core.text import normalise

SYSTEM = """\
You write paraphrases of questions for the index of a cache of answers. A paraphrase must ask for exactly the same \
answer: never broader, narrower, or about something else. Keep every number, unit, date, version, name, identifier, \
quoted text, negation and condition. Vary the words, the length and the form: full questions, orders, a few keywords, \
chat style, one with a typing error. Keep the language of the question. Do not repeat a text of "known".
You get a JSON object: "n", how many paraphrases are wanted of each question, and "questions", by number. Answer with \
one JSON object and nothing else: for each number, a list of n texts."""
PROMPT_DIGEST = blake2b(SYSTEM.encode("utf-8"), digest_size=4).hexdigest()
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Question:
    """One entry that is asked about: its question, and texts that must not come back."""

    text: str
    known: tuple[str, ...] = ()


def messages(questions: Sequence[Question], *, n: int) -> list[dict[str, str]]:
    """Return the messages that ask for n paraphrases of each question."""
    asked = {
        str(i): {"question": question.text, **({"known": list(question.known)} if question.known else {})}
        for i, question in enumerate(questions, 1)
    }
    user = json.dumps({"n": n, "questions": asked}, ensure_ascii=False)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


def read_answer(content: str, questions: Sequence[Question], *, n: int) -> list[list[str]]:
    """Return up to n usable texts for each question; a question that was left out has none.

    Texts come back with single spaces. Left out: what is no text, has no word, is longer than a question, repeats
    the question, a known text or another one.

    Raises:
        ValueError: there is no JSON object in the answer.
    """
    start, end = content.find("{"), content.rfind("}")
    if start < 0 or end < start:
        msg = "no JSON object in the answer"
        raise ValueError(msg)
    document = json.loads(content[start : end + 1])
    return [_texts(document.get(str(i)), question)[:n] for i, question in enumerate(questions, 1)]


def _texts(found: object, question: Question) -> list[str]:
    seen = {"", normalise(question.text), *map(normalise, question.known)}
    texts = list[str]()
    for item in found if isinstance(found, list) else ():
        if not isinstance(item, str) or not _is_unicode(item):
            continue
        text = " ".join(_CONTROL.sub(" ", item).split())
        key = normalise(text)
        if key not in seen and len(text) <= MAX_CHARS:
            seen.add(key)
            texts.append(text)
    return texts


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
