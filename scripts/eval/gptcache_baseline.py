"""GPTCache's own code as a baseline: an environment of its own, our vectors, its defaults for everything else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.retrieval import Bools, Labelled

PACKAGES = ("gptcache==0.1.44", "faiss-cpu", "SQLAlchemy")
"""The last two it would install itself at import."""
_CHILD = Path(__file__).with_name("gptcache_child.py")


@dataclass(frozen=True, slots=True)
class Answers:
    """What GPTCache answered: one value a query, and the time it took."""

    is_served: Bools
    is_right: Bools
    seconds_to_fill: float
    seconds_to_ask: float


def install(work_dir: Path) -> Path:
    """Return the interpreter of an environment that holds GPTCache, made in the folder where there is none."""
    folder = work_dir / "gptcache"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / ".installed").touch()
    return python


def ask(python: Path, known: Labelled, queries: Labelled) -> Answers:
    """Fill a fresh GPTCache with the known phrasings and ask it the queries, each once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_request(folder / "request.npz", known, queries)
        command = [str(python), str(_CHILD), str(folder / "request.npz"), str(folder / "data")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    can_be_asked = queries.vectors.any(axis=1)
    answers = [answer if answer is not None else "-1" for answer in found["answers"]]
    served = np.array([answer != "-1" for answer in answers]) & can_be_asked
    is_right = served & (np.array([int(answer) for answer in answers]) == queries.groups)
    return Answers(served, is_right, found["fill_s"], found["ask_s"])


def _write_request(path: Path, known: Labelled, queries: Labelled) -> None:
    rows = np.flatnonzero(known.vectors.any(axis=1))  # GPTCache divides by the length of a vector
    known = known.at(rows)
    vectors = dict(zip(known.texts, known.vectors, strict=True)) | dict(
        zip(queries.texts, queries.vectors, strict=True)
    )
    request = {
        "texts": list(vectors),
        "known_texts": known.texts,
        "known_answers": [str(group) for group in known.groups],
        "known_contexts": [str(context) for context in known.contexts],
        "query_texts": queries.texts,
        "query_contexts": [str(context) for context in queries.contexts],
    }
    content = np.frombuffer(json.dumps(request).encode(), np.uint8)
    np.savez(path, request=content, vectors=np.array(list(vectors.values())))
