"""What somebody put into a remote is refused, by an error of its own, and the live version stays."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sharing import NAME, RELEASE, Sharing, numbered

from semcache.bundle.locate import read_current
from semcache.core.release import MAX_RELEASE_BYTES, parse_release
from semcache.errors import (
    ChunkError,
    ObjectMissingError,
    ObjectTooLargeError,
    ReleaseEncoderError,
    ReleaseError,
    ReleaseFormatError,
    ReleaseNameError,
    RemoteError,
    RollbackError,
)

OLD, NEW = numbered(30), numbered(30, answer="other")
Document = dict[str, Any]


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a reader who has the first release, and a remote that offers the second."""
    sharing = Sharing(tmp_path)
    sharing.publish(OLD)
    sharing.pull()
    sharing.publish(NEW)
    return sharing


def refused(sharing: Sharing, kind: type[RemoteError], reason: str) -> None:
    """Pull, and find that it is refused and changed nothing; then that the honest release is taken."""
    live = read_current(sharing.pulled_root / NAME)
    with pytest.raises(kind, match=reason) as caught:
        sharing.pull()
    assert caught.type is kind
    assert read_current(sharing.pulled_root / NAME) == live
    assert sorted(path.name for path in (sharing.pulled_root / NAME / "versions").iterdir()) == [live]
    assert sharing.answer(str(OLD[3]["query"])) == "answer 3 of item3"


@dataclass(frozen=True)
class Lie:
    """A change of what is offered, and how it is refused."""

    change: Callable[[Sharing, Document], None]
    reason: str
    kind: type[RemoteError] = ReleaseError


def put(*path: str | int) -> Callable[[object], Callable[[Sharing, Document], None]]:
    """Return what makes a change that sets one field."""

    def with_value(value: object) -> Callable[[Sharing, Document], None]:
        def change(_: Sharing, document: Document) -> None:
            at: Any = document
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value

        return change

    return with_value


def other_text(sharing: Sharing, document: Document) -> None:
    """Offer an answer of somebody else, all sizes right."""
    items = [b"\0\0evil" for _ in (*OLD, *NEW)]
    packed = struct.pack(f"<{len(items)}I", *map(len, items)) + b"".join(items)
    document["columns"]["answers"] = [{**sharing.chunk(packed), "n_items": len(items)}]


def sha(document: Document, column: str) -> str:
    """Return the name of the first chunk of a column."""
    return str(document["columns"][column][0]["sha256"])


def other_vectors(sharing: Sharing, document: Document) -> None:
    """Offer vectors of nothing, all sizes right."""
    vectors = document["columns"]["vectors"]
    n_bytes = sum(piece["raw_bytes"] for piece in vectors)
    vectors[:] = [{**sharing.chunk(bytes(n_bytes)), "n_items": sum(piece["n_items"] for piece in vectors)}]


def half_a_piece(sharing: Sharing, document: Document) -> None:
    """Offer sizes of items that are not there."""
    document["columns"]["entries"] = [{**sharing.chunk(b"\xff" * 40), "n_items": len(NEW)}]


def swapped(_: Sharing, document: Document) -> None:
    """Offer the entries as answers."""
    columns = document["columns"]
    columns["answers"] = columns["entries"] * 2


def bomb(sharing: Sharing, document: Document) -> None:
    """Offer 64 MiB of zeros as a few bytes that state to be less."""
    document["columns"]["entries"] = [{**sharing.chunk(bytes(64 << 20), raw_bytes=1000), "n_items": len(NEW)}]


def large_file(sharing: Sharing, document: Document) -> None:
    """Offer a file that is larger than its manifest says, from one small chunk many times."""
    document["files"]["rows.npy"] = [sharing.chunk(bytes(1 << 20))] * 5000


def other_rows(sharing: Sharing, document: Document) -> None:
    """Offer a file of the right size with other bytes."""
    size = sum(ref["raw_bytes"] for ref in document["files"]["rows.npy"])
    document["files"]["rows.npy"] = [sharing.chunk(b"\x07" * size)]


def other_encoder(sharing: Sharing, document: Document) -> None:
    """Offer another encoder; a machine that has the right one does not ask for it."""
    document["encoder"]["encoder.json"] = [sharing.chunk(b"{}")]


def other_name(_: Sharing, document: Document) -> None:
    """Offer another bundle's release, whole and in itself right."""
    document["name"] = "other"
    document["manifest"] = document["manifest"].replace('"name": "small"', '"name": "other"')


LIES = {
    "newer": Lie(put("format_version")(2), r"found 2, this program reads 1; upgrade", ReleaseFormatError),
    "other-format": Lie(put("format")("x"), r"format: found 'x', allowed semcache-release"),
    "other-name": Lie(other_name, r"what it offers as small is a release of other", ReleaseNameError),
    "misnamed": Lie(put("name")("other"), r"name: found 'other', the manifest says 'small'"),
    "number-0": Lie(put("number")(0), r"number: found 0, allowed 1 or more"),
    "n-items": Lie(put("columns", "entries", 0, "n_items")(31), r"columns: entries: found 31 items, .* says 30"),
    "too-many-items": Lie(put("columns", "entries", 0, "n_items")(5000), r"n_items: found 5000, allowed 1 to 4096"),
    "raw-bytes": Lie(put("columns", "vectors", 0, "raw_bytes")(1), r"columns: vectors: found 1 bytes"),
    "huge-chunk": Lie(put("columns", "entries", 0, "raw_bytes")(1 << 40), r"raw_bytes: found .*, allowed 1 to"),
    "no-column": Lie(lambda _, d: d["columns"].pop("words"), r"columns\.words: missing"),
    "unknown-file": Lie(put("files", "evil.npy")([]), r"files: found .*evil\.npy"),
    "no-manifest": Lie(put("manifest")("{}"), r"missing"),
    "large-file": Lie(large_file, r"files: rows\.npy: found 5242880000 bytes, allowed"),
    "other-rows": Lie(other_rows, r"does not fit together"),
    "other-text": Lie(other_text, r"release 2: values\.mdb: not what was published"),
    "other-vectors": Lie(other_vectors, r"release 2: "),
    "half-a-piece": Lie(half_a_piece, r"40 bytes are no piece of 30 items"),
    "swapped": Lie(swapped, r"release 2: values\.mdb: not what was published"),
    "bomb": Lie(bomb, r"is no chunk of 1000 bytes", ChunkError),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(sharing: Sharing, name: str) -> None:
    """Whatever field or chunk of the release it is in; the honest release is taken afterwards."""
    honest = (sharing.folder / "remote" / RELEASE).read_bytes()
    lie = LIES[name]
    sharing.tamper(lambda document: lie.change(sharing, document))
    refused(sharing, lie.kind, lie.reason)
    (sharing.folder / "remote" / RELEASE).write_bytes(honest)
    assert (sharing.pull().number, sharing.answer(str(OLD[3]["query"]))) == (2, "other 3 of item3")


def test_another_encoder_is_refused(sharing: Sharing, tmp_path: Path) -> None:
    """On a machine that has none yet: no bundle is left there."""
    sharing.tamper(lambda document: other_encoder(sharing, document))
    reader = Sharing(tmp_path / "new")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "remote").symlink_to(tmp_path / "remote")
    with pytest.raises(ReleaseEncoderError, match=r"release 2 has another encoder than its manifest says"):
        reader.pull()
    assert not (reader.pulled_root / NAME / "CURRENT").exists()
    assert [path.name for path in (reader.pulled_root / "encoders").iterdir()] == ["export.lock"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "not JSON"), (b"<html>404</html>", "not JSON"), (b"[]", "found list"), (b"\xff{", "not UTF-8")],
)
def test_what_is_no_release_is_refused(sharing: Sharing, data: bytes, reason: str) -> None:
    """As a web server's page of an error."""
    (sharing.folder / "remote" / RELEASE).write_bytes(data)
    refused(sharing, ReleaseError, reason)


def test_a_release_has_a_size(sharing: Sharing) -> None:
    """Nothing larger is read."""
    (sharing.folder / "remote" / RELEASE).write_bytes(b" " * (MAX_RELEASE_BYTES + 1))
    refused(sharing, ObjectTooLargeError, str(MAX_RELEASE_BYTES))


def test_an_older_release_is_refused(sharing: Sharing) -> None:
    """It says how to take it all the same."""
    new = (sharing.folder / "remote" / RELEASE).read_bytes()
    assert parse_release(new).number == 2
    (sharing.pulled_root / NAME / "pulled.json").write_text(
        json.dumps({**json.loads((sharing.pulled_root / NAME / "pulled.json").read_bytes()), "number": 3})
    )
    refused(sharing, RollbackError, r"offers release 2 of small, and 3 was pulled before; .* delete .*pulled\.json")
    (sharing.pulled_root / NAME / "pulled.json").unlink()
    assert sharing.pull().number == 2


def chunk_of(sharing: Sharing, column: str) -> Path:
    """Return the object of a column's first chunk."""
    document = json.loads((sharing.folder / "remote" / RELEASE).read_bytes())
    name = sha(document, column)
    return sharing.folder / "remote" / "chunks" / name[:2] / name


@pytest.mark.parametrize(
    "data", [b"", b"<html>moved</html>", b"first half", b"bit", b"another"], ids=lambda data: data.decode() or "empty"
)
def test_a_chunk_that_is_not_the_one_named_is_refused(sharing: Sharing, data: bytes) -> None:
    """Truncated, changed, another chunk, a page of an error."""
    path = chunk_of(sharing, "answers")
    whole = path.read_bytes()
    written = {
        b"first half": whole[: len(whole) // 2],
        b"bit": bytes([*whole[:-1], whole[-1] ^ 1]),
        b"another": chunk_of(sharing, "entries").read_bytes(),
    }.get(data, data)
    path.write_bytes(written)
    refused(sharing, ChunkError, path.name)
    path.write_bytes(whole)
    assert sharing.pull().number == 2


def test_a_chunk_that_is_gone_is_missing(sharing: Sharing) -> None:
    """By its address."""
    path = chunk_of(sharing, "answers")
    path.unlink()
    refused(sharing, ObjectMissingError, path.name)
