"""Every refusal of a pull from a signed remote: what was done to it, by which error it is refused, and what that says.

The reader has release 1; the remote offers release 2, and then something happens to it. What `test_refused_pull.py`
and `tests/unit/store/test_trust.py` try in every field is here once each, side by side.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sharing import NAME, SignedSharing, numbered
from trusting import DAY, HOUR, NOW

from semcache.bundle.locate import read_current
from semcache.core.chunk import ChunkRef
from semcache.core.release import Release, parse_release
from semcache.errors import (
    ChangedMetadataError,
    ChunkError,
    ClockError,
    ExpiredError,
    MixedVersionsError,
    NotPublishedError,
    ObjectMissingError,
    ReleaseEncoderError,
    ReleaseError,
    ReleaseFormatError,
    ReleaseNameError,
    RemoteError,
    RollbackError,
    SignatureError,
    UnsignedRemoteError,
)

OLD, NEW = numbered(12), numbered(12, answer="other")
Document = dict[str, Any]


@dataclass(frozen=True)
class Scene(SignedSharing):
    """A remote that offers release 2, and a reader who has release 1."""

    def path(self, name: str) -> Path:
        """Return the one object of the remote that this pattern names."""
        [found] = self.folder.glob(f"remote/{name}")
        return found

    @property
    def release(self) -> Release:
        """Release 2."""
        return parse_release(self.offers().read(NAME))

    def chunk_path(self, ref: ChunkRef) -> Path:
        """Return the object of a chunk."""
        return self.path(ref.path)

    def sign(self, change: Callable[[Document], None]) -> None:
        """Offer a changed release under the publisher's own signature, as its mistake or a thief of its keys would."""
        document = json.loads(self.release.to_bytes())
        change(document)
        self.own_offers().write(NAME, json.dumps(document).encode())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the scene before anything happens, to be copied; addresses of a folder are part of what is trusted."""
    scene = Scene(tmp_path_factory.mktemp("refusals") / "scene")
    scene.folder.mkdir()
    scene.make_keys()
    scene.publish(OLD)
    scene.pull()
    scene.publish(NEW, now=NOW + HOUR)
    return scene.folder


@pytest.fixture
def scene(tmp_path: Path, template: Path) -> Scene:
    """Give the scene."""
    return Scene(Path(shutil.copytree(template, tmp_path / "scene")))


def flipped(path: Path) -> None:
    """Change one hex digit in the middle of a file: it stays JSON."""
    data = path.read_bytes()
    at = next(i for i in range(len(data) // 2, len(data)) if data[i : i + 1] in b"01234567")
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def by_a_stranger(scene: Scene) -> None:
    """Put a remote of other keys in the place of this one."""
    stranger = Scene(scene.folder / "stranger")
    stranger.folder.mkdir()
    stranger.make_keys()
    stranger.publish(NEW)
    shutil.copy(stranger.path("metadata/timestamp.json"), scene.path("metadata/timestamp.json"))


def lose_signatures(scene: Scene) -> None:
    """Delete what readers look at first."""
    scene.path("metadata/timestamp.json").unlink()


def change_metadata(scene: Scene) -> None:
    """Flip a bit of what the snapshot names."""
    flipped(scene.path("metadata/2.targets.json"))


def change_release(scene: Scene) -> None:
    """Flip a bit of what the targets name."""
    newest = max(scene.folder.glob(f"remote/targets/{NAME}/*"), key=lambda path: b'"number":2' in path.read_bytes())
    flipped(newest)


def go_back(scene: Scene) -> None:
    """Put back the metadata of before, after the reader has seen what is new."""
    scene.offers().names()
    shutil.copy(scene.path("metadata/1.timestamp.json"), scene.path("metadata/timestamp.json"))


def mix(scene: Scene) -> None:
    """Put genuine targets of before beside a new snapshot."""
    shutil.copy(scene.path("metadata/1.targets.json"), scene.path("metadata/2.targets.json"))


def renumber(scene: Scene) -> None:
    """Have the reader pull release 2, and sign one of a lower number."""
    scene.pull()
    scene.sign(lambda document: document.update(number=1))


def rename(document: Document) -> None:
    """Make it another bundle's release, in itself right."""
    document["name"] = "other"
    document["manifest"] = document["manifest"].replace('"name": "small"', '"name": "other"')


def change_encoder(scene: Scene) -> None:
    """Offer another encoder, to a reader who has none."""
    shutil.rmtree(scene.pulled_root / "encoders")
    ref = scene.chunk(b"{}")
    scene.sign(lambda document: document["encoder"].update({"encoder.json": [ref]}))


def bomb(scene: Scene) -> None:
    """Offer 64 MiB of zeros as a few bytes that state to be less."""
    ref = scene.chunk(bytes(64 << 20), raw_bytes=1000)
    scene.sign(lambda document: document["columns"].update(entries=[{**ref, "n_items": len(NEW)}]))


def swap_columns(document: Document) -> None:
    """Name the entries as answers: genuine chunks in the wrong place."""
    document["columns"]["answers"] = document["columns"]["entries"] * 2


def column_chunk(column: str) -> Callable[[Scene], Path]:
    """Return what finds the object of a column's first chunk."""
    return lambda scene: scene.chunk_path(scene.release.columns[column][0].ref)


answers, entries = column_chunk("answers"), column_chunk("entries")


def truncate(scene: Scene) -> None:
    """Keep half of a chunk."""
    data = answers(scene).read_bytes()
    answers(scene).write_bytes(data[: len(data) // 2])


def corrupt(scene: Scene) -> None:
    """Flip the last bit of a chunk."""
    data = answers(scene).read_bytes()
    answers(scene).write_bytes(bytes([*data[:-1], data[-1] ^ 1]))


def swap(scene: Scene) -> None:
    """Give one chunk the name of another one."""
    answers(scene).write_bytes(entries(scene).read_bytes())


def web_page(scene: Scene) -> None:
    """Have a page of an error where a chunk was."""
    answers(scene).write_bytes(b"<!DOCTYPE html><title>Log in</title>")


def nothing(_: Scene) -> None:
    """Leave the remote as it is."""


@dataclass(frozen=True)
class Refusal:
    """What happened, and how a pull refuses it.

    Attributes:
        deed: what was done.
        kind: the error, and no subclass of it.
        says: what its message begins with after the address; a regular expression.
        name: of the bundle that is pulled.
        now: what the reader's clock says.
    """

    deed: Callable[[Scene], object]
    kind: type[RemoteError]
    says: str
    name: str = NAME
    now: datetime = NOW + HOUR


REFUSALS = {
    "not signed any more": Refusal(lose_signatures, UnsignedRemoteError, "missing: nothing vouches for what this"),
    "signed by others": Refusal(by_a_stranger, SignatureError, "not signed by those who may: .* try again"),
    "changed metadata": Refusal(
        change_metadata, ChangedMetadataError, r"its \d+ bytes are not the ones that were signed"
    ),
    "changed release": Refusal(change_release, ChangedMetadataError, r"its [\d,]+ bytes are not the [\d,]+ that were"),
    "older metadata": Refusal(go_back, RollbackError, "older than what this machine has seen"),
    "mixed metadata": Refusal(mix, MixedVersionsError, "genuine, but version 1 is not"),
    "expired": Refusal(nothing, ExpiredError, "its timestamp metadata expired at 2026-11-27 13:00", now=NOW + 3 * DAY),
    "clock ahead": Refusal(nothing, ExpiredError, ".* clock says 2031-.*; if the clock is right", now=NOW + 1825 * DAY),
    "clock behind": Refusal(nothing, ClockError, "signed at 2026-11-25 13:00 UTC, and .* earlier", now=NOW - HOUR),
    "older release": Refusal(renumber, RollbackError, "offers release 1 of small, and 2 was pulled before"),
    "nothing of that name": Refusal(nothing, NotPublishedError, "offers no other; it has small", name="other"),
    "newer format": Refusal(
        lambda scene: scene.sign(lambda document: document.update(format_version=2)),
        ReleaseFormatError,
        "its release of small: format_version: found 2, this program reads 1; upgrade semcache",
    ),
    "another bundle's": Refusal(
        lambda scene: scene.sign(rename), ReleaseNameError, "what it offers as small is a release of other; ask its"
    ),
    "another encoder": Refusal(change_encoder, ReleaseEncoderError, "release 2 has another encoder than its manifest"),
    "what does not add up": Refusal(
        lambda scene: scene.sign(lambda document: document["columns"].pop("words")),
        ReleaseError,
        r"its release of small: document\.columns\.words: missing",
    ),
    "columns swapped": Refusal(
        lambda scene: scene.sign(swap_columns), ReleaseError, r"release 2: values\.mdb: not what was published"
    ),
    "chunk truncated": Refusal(truncate, ChunkError, r"found \d+ bytes, allowed this chunk of \d+ bytes"),
    "chunk corrupted": Refusal(corrupt, ChunkError, r"found (\d+) other bytes, allowed this chunk of \1 bytes"),
    "chunk swapped": Refusal(swap, ChunkError, r"found (more than )?\d+ bytes, allowed this chunk of \d+ bytes"),
    "web page for a chunk": Refusal(web_page, ChunkError, r"found a web page, allowed this chunk of \d+ bytes"),
    "chunk missing": Refusal(lambda scene: answers(scene).unlink(), ObjectMissingError, "there is no such object"),
    "decompression bomb": Refusal(bomb, ChunkError, "is no chunk of 1000 bytes: .*; publish it again"),
}


def live(scene: Scene) -> tuple[str, list[str], str | None]:
    """Return which version is live, which are there, and what the live one answers to a text that it holds."""
    bundle_dir = scene.pulled_root / NAME
    versions = sorted(path.name for path in (bundle_dir / "versions").iterdir())
    return read_current(bundle_dir), versions, scene.answer(str(OLD[3]["query"]))


@pytest.mark.parametrize("what", REFUSALS)
def test_a_pull_refuses_it_by_its_own_error_and_leaves_what_is_live(scene: Scene, what: str) -> None:
    """The error is of exactly this kind, begins with an address, and says what is wrong; nothing here changed."""
    refusal = REFUSALS[what]
    refusal.deed(scene)
    before = live(scene)
    with pytest.raises(RemoteError, match=rf"^\S+: {refusal.says}") as caught:
        scene.pull(name=refusal.name, now=refusal.now)
    assert caught.type is refusal.kind
    assert live(scene) == before


def test_without_a_deed_nothing_is_refused(scene: Scene) -> None:
    """What all of them rest on: release 2 is taken from this remote at this time."""
    assert scene.pull(now=NOW + HOUR).number == 2
    assert scene.answer(str(OLD[3]["query"])) == "other 3 of item3"
