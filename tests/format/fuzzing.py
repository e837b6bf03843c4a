"""A program that damages a bundle at random, again and again, and asks it everything each time.

Arguments: bundle, file to damage, way to damage it, first seed, one past the last seed, questions (a JSON file).
It writes `seed <n>` before each try and `<verdict> <n> ...` after it, so that a seed without a verdict is one that
killed the process. Only `wrong` and a dead process are failures; digests are not recomputed: this is a bad disk.

By hand: python fuzzing.py BUNDLE values.mdb near-heads 0 5000 QUESTIONS | grep -v seed | cut -d' ' -f1 | sort | uniq -c
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from asking import Outcome, ask, wrong_answers
from surgery import file_of, replace_bytes, version_dir

Random = np.random.Generator
PAGE = 4096


def _bits(data: bytearray, rng: Random) -> None:
    """Flip a few bits anywhere."""
    for at in rng.integers(0, len(data), rng.choice([1, 1, 1, 2, 4, 16])):
        data[at] ^= 1 << int(rng.integers(8))


def _near_heads(data: bytearray, rng: Random) -> None:
    """Change a few bytes near the head of a page, where LMDB keeps what it follows."""
    for page in rng.integers(0, max(1, len(data) // PAGE), rng.choice([1, 1, 1, 2, 4])):
        data[int(page) * PAGE + min(PAGE - 1, int(rng.exponential(40)))] = int(rng.integers(256))


def _sectors(data: bytearray, rng: Random) -> None:
    """Lose a sector: 512 bytes of zeros or of noise."""
    at = int(rng.integers(0, len(data) // 512)) * 512
    data[at : at + 512] = bytes(512) if rng.random() < 0.5 else rng.bytes(512)


def _pages(data: bytearray, rng: Random) -> None:
    """Write one page where another belongs."""
    target, source = (int(page) * PAGE for page in rng.integers(0, len(data) // PAGE, 2))
    data[target : target + PAGE] = data[source : source + PAGE]


WAYS: dict[str, Callable[[bytearray, Random], None]] = {
    "bits": _bits,
    "near-heads": _near_heads,
    "sectors": _sectors,
    "pages": _pages,
}


def _damage(path: Path, way: str, *, skip: int, seed: int) -> None:
    """Damage a file, but for its first bytes."""
    whole = path.read_bytes()
    data = bytearray(whole[skip:])
    WAYS[way](data, np.random.default_rng(seed))
    replace_bytes(path, whole[:skip] + bytes(data))


def _verdict(found: Outcome, right: Outcome) -> str:
    if wrong := wrong_answers(found, right):
        return f"wrong {wrong[0]}"
    if found == right:
        return "same"
    return "refused" if len(found) == 1 else "errors-or-misses"


def main() -> None:
    """Try every seed."""
    source, name, way, first, last = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    questions = json.loads(Path(sys.argv[6]).read_text("utf-8"))
    right = ask(source, questions)
    manifest = json.loads((version_dir(source) / "manifest.json").read_bytes())
    skip = manifest["index"]["frame_bytes"] if name == "index.faiss" else 0
    for seed in range(first, last):
        sys.stdout.write(f"seed {seed}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(source.parent / "encoders", Path(scratch) / "encoders")
            bundle = shutil.copytree(source, Path(scratch) / source.name)
            _damage(file_of(bundle, name), way, skip=skip, seed=seed)
            verdict = _verdict(ask(bundle, questions), right)
        sys.stdout.write(f"{verdict.split()[0]} {seed} {verdict}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
