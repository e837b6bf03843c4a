"""No name that a remote gives leads out of the folders that a pull writes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sharing import NAME, Sharing, SignedSharing, numbered

from semcache.errors import ConfigError, ReleaseError

ENTRIES = numbered(6)
NAMES = ["../../evil", "/tmp/evil", "..", "evil/../../evil", "..\\evil", "evil\0", "encoders", ""]  # noqa: S108
Document = dict[str, Any]
Place = Callable[[Sharing, Document, str], None]


def as_file(sharing: Sharing, document: Document, name: str) -> None:
    """Name a file of the version so."""
    document["files"][name] = [sharing.chunk(b"evil")]


def as_column(sharing: Sharing, document: Document, name: str) -> None:
    """Name a column so."""
    document["columns"][name] = [{**sharing.chunk(b"evil"), "n_items": 1}]


def as_chunk(_: Sharing, document: Document, name: str) -> None:
    """Name a chunk so."""
    document["columns"]["answers"][0]["sha256"] = name


def as_bundle(_: Sharing, document: Document, name: str) -> None:
    """Name the bundle so, in the manifest too."""
    document["name"] = name
    document["manifest"] = document["manifest"].replace('"name": "small"', f'"name": "{name}"')


def as_file_of_manifest(_: Sharing, document: Document, name: str) -> None:
    """Name a file of the manifest so."""
    document["manifest"] = document["manifest"].replace('"rows.npy"', f'"{name}"')


def as_fingerprint(_: Sharing, document: Document, name: str) -> None:
    """Name the encoder's folder so."""
    at = document["manifest"].index('"fingerprint": "') + len('"fingerprint": "')
    document["manifest"] = document["manifest"][:at] + name + document["manifest"][at + 32 :]


PLACES = [as_file, as_column, as_chunk, as_bundle, as_file_of_manifest, as_fingerprint]


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a remote that offers a release, in a folder of its own."""
    (tmp_path / "in" / "in").mkdir(parents=True)
    sharing = Sharing(tmp_path / "in" / "in")
    sharing.publish(ENTRIES)
    return sharing


def outside(sharing: Sharing) -> list[Path]:
    """List every file that does not belong to the reader."""
    top = sharing.folder.parent.parent
    return sorted(path for path in top.rglob("*") if not path.is_relative_to(sharing.pulled_root))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_release_of_such_a_name_is_refused(sharing: Sharing, place: Place, name: str) -> None:
    """As one that is not of its form, before anything is fetched."""
    sharing.tamper(lambda document: place(sharing, document, name))
    before = outside(sharing)
    with pytest.raises(ReleaseError):
        sharing.pull()
    assert (outside(sharing), sharing.pulled_root.exists()) == (before, False)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_an_encoder_that_its_encoder_does_not_name_is_not_written(sharing: Sharing, name: str) -> None:
    """The encoder's own file says which files there are, and its digest is the manifest's."""
    sharing.tamper(lambda document: document["encoder"].update({name: [sharing.chunk(b"evil")]}))
    before = outside(sharing)
    sharing.pull()
    assert outside(sharing) == before
    [encoder] = [path for path in (sharing.pulled_root / "encoders").iterdir() if path.is_dir()]
    assert [path.name for path in encoder.iterdir()] == ["encoder.json"]
    assert not list(sharing.pulled_root.rglob("*evil*"))


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_of_such_a_name_is_not_pulled(sharing: Sharing, name: str) -> None:
    """Whoever asks for it."""
    before = outside(sharing)
    with pytest.raises(ConfigError, match=r"^name: found "):
        sharing.pull(name=name)
    assert (outside(sharing), sharing.pulled_root.exists()) == (before, False)


@pytest.mark.parametrize("path", ["../../evil/release.json", "/evil/release.json", "..//release.json"])
def test_a_path_that_leads_elsewhere_is_not_published(tmp_path: Path, path: str) -> None:
    """Nothing is written there, and nothing of it is offered."""
    (tmp_path / "in" / "in").mkdir(parents=True)
    sharing = SignedSharing(tmp_path / "in" / "in")
    sharing.make_keys()
    sharing.publish(ENTRIES)
    with pytest.raises(ConfigError, match=r"^object: found "):
        sharing.own_offers().write(path.removesuffix("/release.json"), b"{}")
    assert sharing.offers().names() == [NAME]
    assert not (tmp_path / "evil").exists()
