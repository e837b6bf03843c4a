from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from test_manifest import MANIFEST

from semcache.core.chunk import ChunkRef
from semcache.core.fields import FieldError
from semcache.core.manifest import FileInfo, NewerFormatError
from semcache.core.release import FILES, MAX_ENCODER_BYTES, Piece, Release, n_items, parse_release

N_ROWS, N_ENTRIES, N_ANSWERS = 8, 2, 3
SIZES = {name: 100 + i for i, name in enumerate(FILES)}


def ref(raw_bytes: int) -> ChunkRef:
    """Return a reference to some chunk."""
    return ChunkRef("a" * 64, 10, raw_bytes)


def release(kind: Any = "flat") -> Release:
    """Return a release that is right."""
    files = {name: FileInfo(size, "5" * 64) for name, size in {**SIZES, "index.faiss": 500, "values.mdb": 600}.items()}
    manifest = replace(MANIFEST, files=files, index=replace(MANIFEST.index, kind=kind))
    return Release(
        name="demo",
        number=3,
        published=1_700_000_000,
        manifest=manifest,
        columns={
            "variants": (Piece(ref(50), 5), Piece(ref(40), 3)),
            "vectors": (Piece(ref(8 * 2 * 4), 8),),
            "words": (Piece(ref(8 * 2 * 16), 8),),
            "entries": (Piece(ref(20), 2),),
            "answers": (Piece(ref(20), 3),),
        },
        files={
            **{name: (ref(size),) for name, size in SIZES.items()},
            **({"index.frame": (ref(500),)} if kind == "ivf" else {}),
        },
        encoder={"encoder.json": (ref(300),)},
    )


def changed(path: list[str | int], value: object) -> bytes:
    """Return the bytes of a release with one field set."""
    document = json.loads(release().to_bytes())
    at: Any = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_what_was_written_is_read(kind: str) -> None:
    """The same value, and the same bytes again."""
    written = release(kind).to_bytes()
    assert parse_release(written) == release(kind)
    assert parse_release(written).to_bytes() == written


def test_its_bytes_are_canonical() -> None:
    """Keys in order, no spaces, one line feed at the end."""
    written = release().to_bytes()
    assert written.startswith(b'{"columns":{"answers":[{"n_items":3,"raw_bytes":20,"sha256":"aaaa')
    assert (written.count(b"\n"), written[-1:]) == (1, b"\n")


def test_dead_numbers_travel() -> None:
    """A column has an item for every number that was given out."""
    counts = MANIFEST.counts
    assert [n_items(counts, name) for name in ("words", "entries", "answers")] == [N_ROWS, N_ENTRIES, N_ANSWERS]


def test_all_chunks_of_a_release_are_named() -> None:
    """Of columns, files and encoder."""
    assert len(list(release().chunks())) == 6 + len(FILES) + 1


def test_a_renewal_offers_the_same_later() -> None:
    """Its number and its time are new, what it offers has the same digest; any other change gives another."""
    before = release()
    after = before.renewed(before.published + 5)
    assert (after.number, after.published) == (before.number + 1, before.published + 5)
    assert replace(after, number=before.number, published=before.published) == before
    assert after.content_sha256() == before.content_sha256()
    fewer = {name: refs for name, refs in before.encoder.items() if name != next(iter(before.encoder))}
    assert replace(before, encoder=fewer).content_sha256() != before.content_sha256()


def test_a_version_is_built_of_all_but_the_encoder() -> None:
    """One after the other, and the rest comes behind."""
    every, version = list(release().chunks()), list(release().version_chunks())
    encoder = [ref for refs in release().encoder.values() for ref in refs]
    assert every == version + encoder
    assert len(encoder) >= 1


def test_a_newer_format_is_told_from_a_broken_one() -> None:
    """It says what helps."""
    with pytest.raises(NewerFormatError, match=r"^format_version: found 2, this program reads 1; upgrade semcache$"):
        parse_release(changed(["format_version"], 2))


PIECE = {"sha256": "a" * 64, "size_bytes": 1, "raw_bytes": 1, "n_items": 1}
CHUNK = {"sha256": "a" * 64, "size_bytes": 1, "raw_bytes": 128 << 20}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["number"], 0, r"^number: found 0, allowed 1 or more$"),
        (["name"], "x", r"^name: found 'x', the manifest says 'demo'$"),
        (["more"], 1, r"more: unknown field"),
        (["columns", "more"], [], r"more: unknown field"),
        (["columns", "words"], [], r"^columns: words: found 0 items, the manifest says 8$"),
        (["columns", "words"], [PIECE] * 8, r"^columns: words: found 1 bytes, 1 items of 32 allowed$"),
        (["columns", "vectors"], [PIECE] * 8, r"^columns: vectors: found 1 bytes, 1 items of 8 allowed$"),
        (["columns", "entries", 0, "n_items"], 0, r"^columns: n_items: found 0, allowed 1 to 4096$"),
        (["columns", "entries", 0, "more"], 0, r"more: unknown field"),
        (
            ["columns", "entries", 0, "size_bytes"],
            1 << 40,
            r"^size_bytes: found 1099511627776, allowed 1 to 134217728$",
        ),
        (["columns", "entries", 0, "sha256"], "A" * 64, r"64 lower-case hex digits"),
        (["files", "rows.npy"], [], r"^files: rows\.npy: found 0 bytes, allowed 100$"),
        (["files", "rows.npy"], [CHUNK] * 9, r"^files: rows\.npy: found 1207959552 bytes, allowed 100$"),
        (["files", "dictionary"], [CHUNK], r"^files: dictionary: found 134217728 bytes, allowed 600$"),
        (["files", "index.frame"], [], r"^files: found .*index\.frame.*, allowed "),
        (["files", "../x"], [], r"^files: found \.\./x"),
        (["encoder", "model.onnx"], [CHUNK] * 65, rf"^encoder: found \d+ bytes, allowed {MAX_ENCODER_BYTES}$"),
        (["manifest"], "\u00e9", r"not JSON"),
    ],
)
def test_what_does_not_fit_is_refused(path: list[str | int], value: object, reason: str) -> None:
    """Before anything is fetched: fields, numbers of items, and sizes that nothing accounts for."""
    with pytest.raises(FieldError, match=reason):
        parse_release(changed(path, value))


def test_an_ivf_index_needs_what_was_trained() -> None:
    """A reader that trained it anew would have another index."""
    document = json.loads(release("ivf").to_bytes())
    del document["files"]["index.frame"]
    with pytest.raises(FieldError, match=r"^files: found "):
        parse_release(json.dumps(document).encode())
