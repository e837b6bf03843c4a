"""Damages a bundle, by chance (files only) or on purpose (files, and a manifest that agrees with them)."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import lmdb

from semcache.bundle import layout
from semcache.errors import BundleCorruptError
from semcache.store.lmdb_values import TableWriter, records_sha256

Document = dict[str, Any]
Records = dict[str, dict[bytes, bytes]]


def version_dir(bundle_dir: Path) -> Path:
    """Give the folder of the live version."""
    return bundle_dir / "versions" / (bundle_dir / "CURRENT").read_text("ascii").strip()


def file_of(bundle_dir: Path, name: str) -> Path:
    """Give the path of one file of a bundle or of its encoder, by its name."""
    if name == "CURRENT":
        return bundle_dir / name
    if name in ("encoder.json", "model.onnx", "model.weights", "tokenizer.json"):
        (path,) = bundle_dir.parent.glob(f"encoders/*/{name}")
        return path
    return version_dir(bundle_dir) / name


def replace_bytes(path: Path, data: bytes) -> None:
    """Put other bytes where a file was, as a new file: nobody's map changes under it."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    replace_bytes(path, bytes(data))


def patch(path: Path, at: int, layout_of: str, *values: float) -> None:
    """Overwrite fields of a file."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + layout_of, data, at, *values)
    replace_bytes(path, bytes(data))


def write_document(bundle_dir: Path, raw: bytes) -> None:
    """Make these bytes the manifest: write them, and name the folder and CURRENT after them."""
    folder = version_dir(bundle_dir)
    replace_bytes(folder / "manifest.json", raw)
    identity = sha256(raw).hexdigest()[:32]
    folder.rename(folder.with_name(identity))
    (bundle_dir / "CURRENT").write_text(identity + "\n", encoding="ascii")


def canonical(document: Document) -> bytes:
    """Give the bytes of a manifest as the writer spells them."""
    return (json.dumps(document, sort_keys=True, indent=2) + "\n").encode("ascii")


def reseal(bundle_dir: Path, change: Callable[[Document], None] = lambda _: None) -> None:
    """Make everything agree with the files as they are, as somebody would who means harm; then change the manifest.

    The checksum of index.faiss is recomputed, and its frame's digest with the length that the manifest gives.
    """
    folder = version_dir(bundle_dir)
    document = json.loads((folder / "manifest.json").read_bytes())
    index = folder / layout.INDEX_FILE
    data = index.read_bytes()[:-4]
    replace_bytes(index, data + struct.pack("<I", zlib.crc32(data)))
    try:
        digest = records_sha256(folder / layout.VALUES_FILE)
    except BundleCorruptError:
        pass
    else:
        replace_bytes(folder / layout.RECORDS_FILE, f"{digest}\n".encode("ascii"))
    for name in document["files"]:
        raw = (folder / name).read_bytes()
        document["files"][name] = {"size_bytes": len(raw), "sha256": sha256(raw).hexdigest()}
    raw = index.read_bytes()
    n_frame = document["index"]["frame_bytes"]
    document["index"]["frame_sha256"] = sha256(raw[:n_frame] + raw[-4:]).hexdigest()
    change(document)
    write_document(bundle_dir, canonical(document))


def read_records(path: Path) -> Records:
    """Give every record of a values.mdb, without its checksum: table -> key -> payload."""
    copy = path.with_name("copy-of-values.mdb")
    shutil.copyfile(path, copy)
    records: Records = {}
    with lmdb.open(str(copy), subdir=False, readonly=True, lock=False, max_dbs=8) as env:
        for table in layout.TABLES:
            db = env.open_db(table.encode(), create=False)
            with env.begin() as txn:
                records[table] = {bytes(key): bytes(record)[4:] for key, record in txn.cursor(db=db)}
    copy.unlink()
    return records


def rewrite_records(bundle_dir: Path, change: Callable[[Records], None]) -> None:
    """Change records and write values.mdb anew, every checksum right; then reseal."""
    path = file_of(bundle_dir, layout.VALUES_FILE)
    records = read_records(path)
    change(records)
    path.unlink()
    writer = TableWriter(path.with_name("scratch"), records)
    for table, key, payload in _sorted(records):
        writer.put(table, key, payload)
    writer.finish(path)
    reseal(bundle_dir)


def _sorted(records: Records) -> Iterator[tuple[str, bytes, bytes]]:
    for table, rows in records.items():
        for key, payload in sorted(rows.items()):
            yield table, key, payload
