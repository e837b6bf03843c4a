"""Convert NL2Bash and CoNaLa into corpus/shell.jsonl and corpus/python.jsonl.

    python scripts/convert_corpora.py [--data ../shared/data] [--out corpus]

Owns the rules by which a list of (text, answers) becomes entries; the same input gives the same bytes. It never
changes a text or an answer, adds no wording of its own and needs no network.

The rules:

1. One entry per distinct answer. Texts that normalise to the same are one text: the first spelling is kept.
2. A text with several answers goes to the answer with the most phrasings, counted before anything is assigned
   (ties: the answer that comes first in the file). Its other answers are listed there as `x_alternatives`.
3. An answer that is left without a text of its own gets no entry: it lives on as an alternative.
4. The query is the longest phrasing of at most 100 characters, since short ones tend to omit details (ties: the
   first; if all are longer: the shortest). The others are the paraphrases, in the order of the file.
5. Texts that normalise to nothing, and the placeholder "None" that stands in CoNaLa for a missing rewording, are
   dropped.

`rejects`: nl2bash/pairs.jsonl holds 1,372 label-0 pairs (near texts, different commands). A reject pays only if the
other text is no variant already, else the index holds it with its own answer. Both sides of every pair are variants
here, so none is added; `main` counts this again and says so if it ever changes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from semcache.core.text import normalise

MAX_QUERY_CHARS = 100
MAX_SLUG_CHARS = 40
MAX_TAGS = 5

_PLACEHOLDERS = frozenset({"", "none"})
_SHELL_OPERATORS = frozenset({"|", "||", "|&", "&&", ";", ";;", "&", "(", ")"})
_SHELL_PREFIXES = frozenset({"sudo", "time", "nohup", "do", "then", "else", "!", "{"})
_SHELL_ENDS = frozenset({"done", "fi", "esac", "}"})
_COMMAND = re.compile(r"[A-Za-z_][\w.+-]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_MODULE_USE = re.compile(r"(?<![\w.)\]'\"])([a-z]\w*)(?:\.[A-Za-z_]\w*)+")
_IMPORT = re.compile(r"\b(?:import|from) ([a-z]\w*)")
_MODULE_ALIASES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib", "mpl": "matplotlib", "tf": "tensorflow"}
_MODULE_NAMES = """
    base64 binascii bisect bs4 calendar codecs collections copy csv ctypes datetime decimal difflib django flask
    fnmatch functools getpass glob hashlib heapq inspect io itertools json locale logging math matplotlib mechanize
    multiprocessing nltk numpy operator os pandas pickle platform pprint pytz random re requests scipy shutil signal
    socket sqlite3 string struct subprocess sys tempfile tensorflow threading time tkinter traceback unicodedata
    urllib urllib2 uuid xml zipfile
"""
_MODULES = frozenset(_MODULE_NAMES.split())


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One text of a source with every answer it has there, in the order of the file."""

    text: str
    answers: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What differs between the two corpora: names, licence, and how an answer is tagged."""

    namespace: str
    folder: str
    licence: str
    tags: Callable[[str], list[str]]


@dataclass(slots=True)
class Draft:
    """An entry while it is put together."""

    answer: str
    texts: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Summary:
    """What the conversion of one corpus counted."""

    n_rows: int = 0
    n_blank: int = 0
    n_same_text: int = 0
    n_ambiguous: int = 0
    n_without_text: int = 0
    n_entries: int = 0
    n_texts: int = 0
    n_with_alternatives: int = 0

    def line(self, path: Path) -> str:
        """Return the counts as one line for a reader."""
        return (
            f"{path}: {self.n_entries} entries, {self.n_texts} texts; read {self.n_rows} rows; dropped "
            f"{self.n_blank} blank and {self.n_same_text} repeated texts; {self.n_ambiguous} texts had several "
            f"answers, {self.n_without_text} answers without a text of their own became alternatives, "
            f"{self.n_with_alternatives} entries have some"
        )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def collect_phrasings(rows: Iterable[dict[str, Any]], summary: Summary) -> dict[str, Phrasing]:
    """Return the distinct texts by their normalised form, in the order of the file, with all their answers."""
    found: dict[str, Phrasing] = {}
    for row in rows:
        summary.n_rows += 1
        key = normalise(row["text"])
        if key in _PLACEHOLDERS:
            summary.n_blank += 1
            continue
        old = found.get(key)
        summary.n_same_text += old is not None
        answers = [*(old.answers if old else ()), *row.get("answers", [row["answer"]])]
        sources = [*(old.sources if old else ()), row["group"]]
        text = old.text if old else row["text"]
        found[key] = Phrasing(text, tuple(dict.fromkeys(answers)), tuple(dict.fromkeys(sources)))
    return found


def assign_texts(phrasings: Iterable[Phrasing], summary: Summary) -> list[Draft]:
    """Return one draft per answer that keeps a text, in the order in which the answers first appear."""
    texts = list(phrasings)
    n_phrasings: dict[str, int] = defaultdict(int)
    for phrasing in texts:
        for answer in phrasing.answers:
            n_phrasings[answer] += 1
    position = {answer: n for n, answer in enumerate(n_phrasings)}
    drafts = {answer: Draft(answer) for answer in n_phrasings}
    for phrasing in texts:
        summary.n_ambiguous += len(phrasing.answers) > 1
        owner = min(phrasing.answers, key=lambda answer: (-n_phrasings[answer], position[answer]))
        draft = drafts[owner]
        draft.texts.append(phrasing.text)
        draft.sources.extend(source for source in phrasing.sources if source not in draft.sources)
        others = (answer for answer in phrasing.answers if answer != owner)
        draft.alternatives.extend(answer for answer in others if answer not in draft.alternatives)
    kept = [draft for draft in drafts.values() if draft.texts]
    summary.n_without_text = len(drafts) - len(kept)
    return kept


def choose_query(texts: list[str]) -> str:
    """Return the clearest text by rule 4 of the module."""
    fitting = [text for text in texts if len(text) <= MAX_QUERY_CHARS]
    return max(fitting, key=len) if fitting else min(texts, key=len)


def make_id(namespace: str, answer: str) -> str:
    """Return a readable id that depends on the answer alone: a slug of it and a digest of 8 hex digits."""
    words = re.findall(r"[a-z0-9]+", answer.lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) + 1 > MAX_SLUG_CHARS:
            break
        slug += word + "-"
    digest = blake2b(answer.encode("utf-8"), digest_size=4).hexdigest()
    return f"{namespace}/{slug}{digest}"


def shell_tags(command: str) -> list[str]:
    """Return the distinct commands of a shell line, in order: "ps aux | grep ssh" gives ps and grep."""
    names: list[str] = []
    expected = True
    for token in _shell_tokens(command):
        if token in _SHELL_OPERATORS:
            expected = True
        elif expected and token not in _SHELL_PREFIXES and not _ASSIGNMENT.match(token):
            expected = False
            name = token.rsplit("/", 1)[-1]
            if _COMMAND.fullmatch(name) and name not in _SHELL_ENDS:
                names.append(name)
    return list(dict.fromkeys(names))[:MAX_TAGS] or ["shell"]


def _shell_tokens(command: str) -> list[str]:
    lexer = shlex.shlex(command.replace("\\(", " ").replace("\\)", " ").replace("\\;", " "), punctuation_chars="();|&")
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # an unbalanced quote: take what is certain
        return command.lstrip("({` ").split(maxsplit=1)[:1]


def python_tags(snippet: str) -> list[str]:
    """Return the known modules that a snippet names, in order; without any: python."""
    names = _IMPORT.findall(snippet) + _MODULE_USE.findall(snippet)
    modules = (_MODULE_ALIASES.get(name, name) for name in names)
    return list(dict.fromkeys(name for name in modules if name in _MODULES))[:MAX_TAGS] or ["python"]


def describe_source(corpus: Corpus, groups: list[str]) -> str:
    """Return where an entry comes from; for CoNaLa with a link to each Stack Overflow question."""
    if corpus.namespace == "shell":
        return "NL2Bash"
    links = [f"https://stackoverflow.com/q/{group.removeprefix('so')}" for group in groups]
    return "CoNaLa; " + " ".join(links)


def make_entry(draft: Draft, corpus: Corpus) -> dict[str, Any]:
    """Return the corpus entry of a draft, with its fields in their fixed order."""
    query = choose_query(draft.texts)
    entry: dict[str, Any] = {"id": make_id(corpus.namespace, draft.answer), "namespace": corpus.namespace}
    entry["query"] = query
    paraphrases = [text for text in draft.texts if text != query]
    if paraphrases:
        entry["paraphrases"] = paraphrases
    entry["tags"] = corpus.tags(draft.answer)
    entry["source"] = describe_source(corpus, draft.sources)
    entry["licence"] = corpus.licence
    entry["answer"] = draft.answer
    if draft.alternatives:
        entry["x_alternatives"] = draft.alternatives
    return entry


def convert(rows: Iterable[dict[str, Any]], corpus: Corpus) -> tuple[list[dict[str, Any]], Summary]:
    """Return the entries of a corpus, in the order of its answers, and what was counted on the way.

    Raises:
        ValueError: two answers got the same id (their digests collide).
    """
    summary = Summary()
    phrasings = collect_phrasings(rows, summary)
    entries = [make_entry(draft, corpus) for draft in assign_texts(phrasings.values(), summary)]
    ids: set[str] = set()
    for entry in entries:
        if entry["id"] in ids:
            msg = f"id: {entry['id']} stands for two answers; allowed is one: lengthen the digest in make_id"
            raise ValueError(msg)
        ids.add(entry["id"])
    summary.n_entries = len(entries)
    summary.n_texts = len(phrasings)
    summary.n_with_alternatives = sum("x_alternatives" in entry for entry in entries)
    return entries, summary


def count_new_rejects(pairs: Iterable[dict[str, Any]], entries: Iterable[dict[str, Any]]) -> int:
    """Return how many texts of label-0 pairs are no variant of any entry: only those could become guards."""
    variants = {normalise(text) for entry in entries for text in [entry["query"], *entry.get("paraphrases", [])]}
    texts = {normalise(pair[side]) for pair in pairs if pair["label"] == 0 for side in ("a", "b")}
    return len(texts - variants)


def write_entries(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write the entries as JSONL, UTF-8, one a line."""
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    path.write_text(text, encoding="utf-8", newline="\n")


CORPORA = (
    Corpus(namespace="shell", folder="nl2bash", licence="MIT", tags=shell_tags),
    Corpus(namespace="python", folder="conala", licence="CC-BY-SA-4.0", tags=python_tags),
)


def main() -> None:
    """Convert both corpora; the counts go to stderr."""
    parser = argparse.ArgumentParser(description="Convert NL2Bash and CoNaLa into corpus files.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds both data sets")
    parser.add_argument("--out", type=Path, default=Path("corpus"), help="folder to write the corpus files into")
    arguments = parser.parse_args()
    for corpus in CORPORA:
        folder: Path = arguments.data / corpus.folder
        entries, summary = convert(read_rows(folder / "queries.jsonl.gz"), corpus)
        path: Path = arguments.out / f"{corpus.namespace}.jsonl"
        write_entries(path, entries)
        sys.stderr.write(summary.line(path) + "\n")
        if corpus.namespace == "shell":
            n_new = count_new_rejects(read_rows(folder / "pairs.jsonl"), entries)
            sys.stderr.write(f"{path}: 0 rejects added; {n_new} texts of label-0 pairs are no variant\n")


if __name__ == "__main__":
    main()
