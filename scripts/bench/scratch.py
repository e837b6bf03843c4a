"""Bundles the benchmarks look up in: built once with the real model, kept in a scratch folder, opened ever after.

A bundle is built anew where there is none for these rows and this seed, where this version of semcache cannot open
it, or where the text generator changed. How long the build took is kept beside it (scenario `build`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import texts

from semcache import BuildConfig, Cache, SemcacheError, build_bundle

N_HELD_OUT = 2000
SPECKIT = "speckit"


@dataclass(frozen=True, slots=True)
class Scratch:
    """The scratch folder of one size and seed.

    Attributes:
        work: holds everything; safe to delete.
        n_rows: rows of the large bundle.
        seed: of its texts and its index.
    """

    work: Path
    n_rows: int
    seed: int

    @property
    def root(self) -> Path:
        """The folder of bundles."""
        return self.work / "root"

    @property
    def large(self) -> str:
        """The name of the large bundle; changes with the text generator."""
        return f"rows{self.n_rows}-seed{self.seed}-texts{texts.GENERATOR}"

    @property
    def corpus_path(self) -> Path:
        """The large bundle's corpus."""
        return self.work / f"{self.large}.jsonl"

    @property
    def _notes_path(self) -> Path:
        return self.work / f"{self.large}.notes.json"

    def ensure(self, *, rebuild: bool = False) -> None:
        """Build the bundles that are missing, each in its own process."""
        self.work.mkdir(parents=True, exist_ok=True)
        for name in (self.large, SPECKIT):
            if rebuild or not self._opens(name):
                print(f"building {name} with the real model; kept for the next run", file=sys.stderr)
                arguments = ["--work", str(self.work), "--rows", str(self.n_rows), "--seed", str(self.seed)]
                subprocess.run([sys.executable, __file__, *arguments, name], check=True)

    def _opens(self, name: str) -> bool:
        if name == self.large and not self._notes_path.exists():
            return False
        try:
            Cache.open(name, root=self.root).close()
        except SemcacheError:
            return False
        return True

    def open(self, name: str) -> Cache:
        """Open one of the bundles."""
        return Cache.open(name, root=self.root)

    def notes(self) -> dict[str, Any]:
        """Return what was noted when the large bundle was built, with the questions held out of it."""
        notes: dict[str, Any] = json.loads(self._notes_path.read_text("utf-8"))
        return notes

    def known_texts(self, n: int) -> list[str]:
        """Return n questions of the large bundle, spread over it."""
        step = max(1, self.n_rows // n)
        with self.corpus_path.open(encoding="utf-8") as file:
            return [json.loads(line)["query"] for number, line in enumerate(file) if number % step == 0][:n]

    def held_out_texts(self, n: int) -> list[str]:
        """Return n questions like those of the large bundle, none of them in it."""
        held_out: list[str] = self.notes()["held_out"][:n]
        return held_out

    def build(self, name: str) -> None:
        """Build one of the bundles in this process and note what it cost."""
        if name == SPECKIT:
            build_bundle([texts.CORPUS_DIR / "speckit.jsonl"], name=name, root=self.root)
            return
        held_out = texts.write_corpus(self.corpus_path, n_entries=self.n_rows, n_held_out=N_HELD_OUT, seed=self.seed)
        began, began_cpu = time.perf_counter(), time.process_time()
        report = build_bundle([self.corpus_path], name=name, root=self.root, config=BuildConfig(seed=self.seed))
        notes = {
            "bundle_id": report.id,
            "producer": report.manifest.producer,
            "wall_s": round(time.perf_counter() - began, 2),
            "cpu_s": round(time.process_time() - began_cpu, 2),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "stages_s": report.seconds,
            "corpus_bytes": self.corpus_path.stat().st_size,
            "held_out": held_out,
        }
        self._notes_path.write_text(json.dumps(notes, ensure_ascii=False), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser, *, default_work: Path) -> None:
    """Add the flags that name a scratch folder."""
    parser.add_argument("--work", type=Path, default=default_work, help="scratch folder for built bundles")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the large bundle")
    parser.add_argument("--seed", type=int, default=0, help="of texts, samples and index")


def main() -> None:
    """Build one bundle; `Scratch.ensure` starts this."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser, default_work=Path())
    parser.add_argument("name")
    arguments = parser.parse_args()
    Scratch(arguments.work, arguments.rows, arguments.seed).build(arguments.name)


if __name__ == "__main__":
    main()
