"""Whatever a web server does to one kind of object, a pull is right in the end or refused, and what is live stays."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile_http import (
    Behaviour,
    HostileServer,
    Request,
    answer,
    break_off,
    cut,
    cut_short,
    endless,
    first,
    hostile_http,
    range_of_lies,
    ranges_ignored,
    silent,
    stall,
    well,
)
from sharing import NAME, SignedSharing, numbered
from trusting import NOW

from semcache import check_bundle
from semcache.config import RemoteConfig
from semcache.errors import (
    ChangedMetadataError,
    ChunkError,
    ObjectMissingError,
    RemoteError,
    RemoteUnavailableError,
    UnsignedRemoteError,
)
from semcache.remote.offers import SignedOffers
from semcache.remote.pull import PullReport, pull
from semcache.store.objects import ObjectStore

OLD, NEW = numbered(12), numbered(12, answer="other")
TEXT = str(OLD[3]["query"])
CONFIG = RemoteConfig(connect_timeout_s=2.0, stall_timeout_s=0.2, n_retries=1, first_wait_s=0.01)
WEB_PAGE = answer("200 OK", b"<!DOCTYPE html><title>Log in</title>", Content_Type="text/html")
KINDS = {"metadata": "metadata/timestamp.json", "release": f"targets/{NAME}/", "chunk": "chunks/"}
"""How the paths of each kind of object begin."""

Refused = tuple[type[RemoteError], type[RemoteError], type[RemoteError]]
BEHAVIOURS: dict[str, tuple[Behaviour, Refused]] = {
    "web page": (WEB_PAGE, (ChangedMetadataError, ChangedMetadataError, ChunkError)),
    "half as if it were all": (cut, (ChangedMetadataError, ChangedMetadataError, ChunkError)),
    "half, then the end": (cut_short, (RemoteUnavailableError,) * 3),
    "half, then a reset": (break_off, (RemoteUnavailableError,) * 3),
    "half, then nothing": (stall, (RemoteUnavailableError,) * 3),
    "silence": (silent, (RemoteUnavailableError,) * 3),
    "no end": (endless, (ChangedMetadataError, ChangedMetadataError, ChunkError)),
    "an error": (answer("500 Internal Server Error"), (RemoteUnavailableError,) * 3),
    "no permission": (answer("403 Forbidden"), (RemoteUnavailableError,) * 3),
    "not there": (answer("404 Not Found"), (UnsignedRemoteError, ObjectMissingError, ObjectMissingError)),
}
"""What a server does to every request for objects of a kind; how a pull refuses it, in the order of `KINDS`."""


@dataclass(frozen=True)
class Reader:
    """Who has release 1 of a web server's bundle."""

    sharing: SignedSharing

    def pull(self, server: HostileServer) -> PullReport:
        """Pull from a server."""
        store = ObjectStore.open(server.url, config=CONFIG)
        offers = SignedOffers(store, self.sharing.folder / "trust", lambda: NOW)
        return pull(NAME, store, offers, root=self.sharing.pulled_root, n_workers=2)

    @property
    def answer(self) -> str | None:
        """What the live version says."""
        return self.sharing.answer(TEXT)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SignedSharing:
    """Give a remote of two releases, and a reader who has the first."""
    sharing = SignedSharing(tmp_path_factory.mktemp("hostile"))
    sharing.make_keys()
    sharing.publish(OLD)
    sharing.pull()
    sharing.publish(NEW)
    return sharing


@pytest.fixture
def reader(tmp_path: Path, template: SignedSharing, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Give that reader, with loopback out of a proxy's hands."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("reader", "trust"):
        shutil.copytree(template.folder / name, tmp_path / name)
    return Reader(SignedSharing(tmp_path))


@pytest.fixture(scope="module")
def objects(template: SignedSharing) -> Mapping[str, bytes]:
    """Give the objects of the remote."""
    return {path: template.store.read(path, limit_bytes=1 << 20) for path in template.store.sizes()}


def to_kind(kind: str, behave: Behaviour) -> Behaviour:
    """Behave so to objects of a kind, and well to all others."""

    def one(server: HostileServer, request: Request, body: bytes, connection: socket.socket) -> None:
        (behave if request.path.startswith(KINDS[kind]) else well)(server, request, body, connection)

    return one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", BEHAVIOURS)
def test_a_server_that_never_behaves_is_refused(
    reader: Reader, objects: Mapping[str, bytes], what: str, kind: str
) -> None:
    """The live version stays and answers; from a server that behaves, the next pull brings release 2, whole."""
    behave, refused = BEHAVIOURS[what]
    with hostile_http(objects, to_kind(kind, behave)) as server, pytest.raises(RemoteError) as caught:
        reader.pull(server)
    assert caught.type is dict(zip(KINDS, refused, strict=True))[kind]
    assert reader.answer == "answer 3 of item3"
    with hostile_http(objects) as server:
        assert reader.pull(server).number == 2
    assert (reader.answer, check_bundle(NAME, root=reader.sharing.pulled_root)) == ("other 3 of item3", [])


@pytest.mark.parametrize(
    "behave",
    [
        first(break_off),
        first(cut_short),
        first(stall),
        first(answer("503 Service Unavailable")),
        first(break_off, then=ranges_ignored),
        first(break_off, then=range_of_lies),
    ],
    ids=["reset", "end", "stall", "busy", "reset, then no ranges", "reset, then lies about ranges"],
)
def test_a_server_that_fails_once_is_enough(reader: Reader, objects: Mapping[str, bytes], behave: Behaviour) -> None:
    """For every object of the remote once: the pull ends with release 2, whole."""
    with hostile_http(objects, behave) as server:
        assert reader.pull(server).number == 2
    assert (reader.answer, check_bundle(NAME, root=reader.sharing.pulled_root)) == ("other 3 of item3", [])
