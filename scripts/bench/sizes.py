"""What the shipped corpora take when they are published, beside other ways to ship them. Prints a Markdown table.

    python scripts/bench/sizes.py [--root indexes] [--out scripts/bench/results] [NAME...]

The bundles `speckit`, `shell` and `python` must be in the root (`semcache build corpus/NAME.jsonl --name NAME`). Each
is published to a folder; then its corpus is changed as a night may, 2 % of the entries with another answer, and what a
client of the first release fetches is said by a second one, which takes a build.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard
from measure import Report
from texts import CORPUS_DIR

from semcache import build_bundle
from semcache.bundle.layout import encoder_dir
from semcache.bundle.locate import read_current
from semcache.bundle.reader import read_manifest
from semcache.config import DEFAULT_ROOT
from semcache.core.release import Release
from semcache.remote.offers import UnsignedOffers, parsed
from semcache.remote.publish import publish
from semcache.store.objects import ObjectStore

_NAMES = ("speckit", "shell", "python")
_LEVEL = 19
_CHANGED = 50
"""One entry in so many has another answer after the night."""
_COLUMNS = ("jsonl", "jsonl_zst", "tar_zst", "release", "delta", "tar_zst_with_encoder", "release_with_encoder")


def main() -> None:
    """Measure, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=_NAMES)
    parser.add_argument("--root", type=Path, default=Path(DEFAULT_ROOT), help="folder of built bundles")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    arguments = parser.parse_args()
    report = Report("sizes", "does not matter", 0, {"zstd_level": _LEVEL, "changed_share": 1 / _CHANGED})
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder:
            report.figures[name] = _sizes(name, arguments.root, Path(folder))
    report.write(arguments.out)
    print(_table(report.figures))


def _sizes(name: str, root: Path, work: Path) -> dict[str, Any]:
    """Return the bytes of each way to ship a bundle."""
    corpus = CORPUS_DIR / f"{name}.jsonl"
    version = root / name / "versions" / read_current(root / name)
    manifest = read_manifest(version)
    encoder = encoder_dir(root, manifest.encoder.fingerprint)
    for folder in (name, "encoders", "embeddings"):
        if (root / folder).exists():
            shutil.copytree(root / folder, work / "root" / folder)
    first = _published(name, work)
    night = work / corpus.name
    night.write_text("".join(_one_night(corpus)), "utf-8")
    build_bundle([night], name=name, root=work / "root")
    second = _published(name, work)
    columns = {ref for pieces in first.columns.values() for ref in (piece.ref for piece in pieces)}
    files = {ref for refs in first.files.values() for ref in refs}
    return {
        "rows": manifest.counts.rows,
        "jsonl": corpus.stat().st_size,
        "jsonl_zst": len(_zst(corpus.read_bytes())),
        "tar_zst": len(_zst(_tar([version]))),
        "tar_zst_with_encoder": len(_zst(_tar([version, encoder]))),
        "release": sum(ref.size_bytes for ref in columns | files),
        "release_with_encoder": sum(ref.size_bytes for ref in set(first.chunks())),
        "delta": sum(ref.size_bytes for ref in set(second.chunks()) - set(first.chunks())),
    }


def _published(name: str, work: Path) -> Release:
    store = ObjectStore.open(str(work / "remote"))
    offers = UnsignedOffers(store)
    publish(name, store, offers, root=work / "root")
    return parsed(offers.read(name), name=name, url=store.url)


def _one_night(corpus: Path) -> list[str]:
    """Return the corpus with another answer in every fiftieth entry."""
    lines = []
    for number, line in enumerate(corpus.read_text("utf-8").splitlines()):
        entry = json.loads(line)
        if number % _CHANGED == 0:
            entry["answer"] = f"{entry['answer']} (reviewed)"
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    return lines


def _tar(folders: Sequence[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            tar.add(folder, folder.name)
    return buffer.getvalue()


def _zst(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(raw)


def _table(figures: dict[str, dict[str, int]]) -> str:
    """Return all of it in kB, and bytes a row of what is published."""
    lines = [f"| corpus | rows | {' | '.join(_COLUMNS)} | bytes a row |", "| --- " * (len(_COLUMNS) + 3) + "|"]
    for name, found in figures.items():
        sizes = " | ".join(f"{found[column] / 1000:,.0f}" for column in _COLUMNS)
        lines.append(f"| {name} | {found['rows']:,} | {sizes} | {found['release'] / found['rows']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
