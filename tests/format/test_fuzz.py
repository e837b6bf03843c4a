"""A disk that goes bad under a bundle: right answers, misses or errors; never a wrong answer, never a dead process."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semcache import BuildConfig, build_bundle
from semcache.config import IndexChoice

N_ENTRIES = 60
BUNDLES: tuple[tuple[IndexChoice, bool], ...] = (("flat", False), ("ivf", True), ("hnsw", False))
"""Kind of index, which is the bundle's name, and whether its values are compressed."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with bundles of 60 entries (each with a guard one word away) and questions near to them."""
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(5)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=7)) for _ in range(300)]
    entries: list[dict[str, Any]] = []
    questions: list[tuple[str, str | None]] = []
    for i in range(N_ENTRIES):
        query, other = list(rng.choice(words, size=7)), list(rng.choice(words, size=7))
        guard = ["not", *query[1:]]
        answer = " ".join(rng.choice(words, size=int(rng.choice([5, 40, 300]))))
        texts = {"query": " ".join(query), "paraphrases": [" ".join(other)], "rejects": [" ".join(guard)]}
        entries.append({"id": f"e{i}", "answer": answer, "namespace": "ab"[i % 2], "tags": [f"t{i}"], **texts})
        asked = (query, guard, [*query, "now"], [*guard, "now"], [*other[:-1], "please"])
        questions += [(" ".join(text), None) for text in asked]
    (folder / "fuzz.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    loose = BuildConfig(model="hashing", max_error=0.1, min_recall_at_1=0.0, min_recall_at_10=0.0)
    for kind, compress in BUNDLES:
        config = dataclasses.replace(loose, index=kind, compress=compress)
        build_bundle([folder / "fuzz.jsonl"], name=kind, root=folder / "indexes", config=config)
    return folder


def verdicts(folder: Path, bundle: str, name: str, way: str, n_seeds: int) -> Counter[str]:
    """Damage a file of a bundle with as many seeds, in a process of its own, and count what came of it."""
    program = Path(__file__).with_name("fuzzing.py")
    arguments = [str(folder / "indexes" / bundle), name, way, "0", str(n_seeds), str(folder / "questions.json")]
    done = subprocess.run(
        [sys.executable, str(program), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"exit code {done.returncode} after {lines[-1:]}: {done.stderr[-2000:]}"
    told = [line for line in lines if not line.startswith("seed ")]
    assert [line for line in told if line.startswith("wrong")] == []
    assert len(told) == n_seeds
    return Counter(line.split()[0] for line in told)


@pytest.mark.parametrize("bundle", ["flat", "ivf", "hnsw"])
def test_a_changed_code_is_never_searched(fuzzed: Path, bundle: str) -> None:
    """Codes and labels are not parsed, and each of them moves a score: all damage is told before the first search."""
    found = verdicts(fuzzed, bundle, "index.faiss", "bits", 40)
    assert found["refused"] + found["errors-or-misses"] == 40


@pytest.mark.parametrize(("bundle", "way"), [("flat", "bits"), ("flat", "near-heads"), ("ivf", "sectors")])
def test_changed_records_and_pages_give_no_other_answer(fuzzed: Path, bundle: str, way: str) -> None:
    """Anywhere in values.mdb: most damage costs the record that it hit, or opening; some hits nothing at all."""
    found = verdicts(fuzzed, bundle, "values.mdb", way, 60)
    assert found["refused"] + found["errors-or-misses"] >= 10


def test_pages_at_each_others_place_are_refused(fuzzed: Path) -> None:
    """Every page says which one it is."""
    found = verdicts(fuzzed, "flat", "values.mdb", "pages", 40)
    assert found["refused"] >= 30
    assert found["errors-or-misses"] + found["refused"] + found["same"] == 40
