"""Manifests and encoder.json that somebody wrote on purpose: one error of semcache's own for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asking import ask, ask_in_a_process
from surgery import Document, canonical, file_of, replace_bytes, reseal, version_dir, write_document

from semcache import Cache, check_bundle
from semcache.errors import BundleCorruptError, BundleFormatError, EncoderError

Change = Callable[[Document], None]


def put(value: Any, *path: str | int) -> Change:
    """Set one field, however deep."""

    def change(document: Document) -> None:
        place: Any = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def drop(*path: str) -> Change:
    """Leave one field out, however deep."""

    def change(document: Document) -> None:
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return change


def without_namespaces(document: Document) -> None:
    """Name no namespace, and certify none."""
    document["namespaces"] = document["decision"]["certificates"] = []


def turn(document: Document) -> None:
    """Name the verifier's features in another order."""
    document["decision"]["features"].reverse()


@pytest.mark.parametrize("version", [2, 3, 2**61])
def test_a_newer_format_is_said_as_such(bundle: Path, version: int) -> None:
    """With what to do; its other fields are not judged by this version's rules."""
    reseal(bundle, lambda document: document.update(format_version=version, invented="later"))
    with pytest.raises(BundleFormatError, match=f"format_version: found {version}, .* upgrade semcache"):
        Cache.open(bundle)
    (problem,) = check_bundle(bundle)
    assert f"format_version: found {version}" in problem


A_FILE = {"size_bytes": 1, "sha256": "0" * 64}
FIRST = ("decision", "certificates", 0)
WRONG = {
    "another format": (put("zip", "format"), "document.format: found 'zip'"),
    "format version 0": (put(0, "format_version"), "format_version: found 0"),
    "format version as text": (put("1", "format_version"), "document.format_version: found '1'"),
    "format version true": (put(True, "format_version"), "document.format_version: found 'True'"),
    "unknown field": (put(1, "invented"), "document.invented: unknown field"),
    "unknown inner field": (put(1, "index", "invented"), "document.index.invented: unknown field"),
    "missing field": (drop("seed"), "document.seed: missing"),
    "missing inner field": (drop("counts", "keys"), "document.counts.keys: missing"),
    "list for an object": (put([], "counts"), "document.counts: found list, allowed an object"),
    "null for an object": (put(None, "encoder"), "document.encoder: found NoneType, allowed an object"),
    "count below 0": (put(-1, "counts", "rows"), "document.counts.rows: found '-1'"),
    "count with a point": (put(14.0, "counts", "rows"), "document.counts.rows: found '14.0'"),
    "count beyond 2**62": (put(2**62, "counts", "rows"), "document.counts.rows: found '4611686018427387904'"),
    "share above 1": (put(1.5, "decision", "wanted_error"), "document.decision.wanted_error: found '1.5'"),
    "share that is no number": (put(float("nan"), "decision", "wanted_error"), "decision.wanted_error: found 'nan'"),
    "endless share": (put(float("inf"), "index", "recall_at_1"), "document.index.recall_at_1: found 'inf'"),
    "a verifier from elsewhere": (put("faith", "decision", "fitted"), "document.decision.fitted: found 'faith'"),
    "an error that is no level": (put(0.03, *FIRST, "max_error"), "max_error: found 0.03, allowed one of"),
    "no levels": (put([], *FIRST, "levels"), "max_error: found 0.1, allowed one of its levels"),
    "a level below 0": (put(-1, *FIRST, "levels", 4, "threshold"), "levels[4].threshold: found '-1'"),
    "no certificate": (put([], "decision", "certificates"), "certificates: found those of nothing, allowed one of"),
    "another's certificate": (put("x", *FIRST, "namespace"), "certificates: found those of 'x', 'web', allowed one of"),
    "an adapter of text": (put("no", "decision", "has_adapter"), "document.decision.has_adapter: found 'no'"),
    "an adapter that is not there": (put(True, "decision", "has_adapter"), "adapter.npy: holds 0 bytes as"),
    "no features": (put([], "decision", "features"), "decision.features: not the features that this program computes"),
    "other features": (put(["score"] * 63, "decision", "features"), "decision.features: not the features that this"),
    "features in another order": (turn, "decision.features: not the features that this program computes"),
    "no trees": (put(0, "decision", "n_trees"), "decision.n_trees: found 0, allowed 1 to 4096"),
    "trees beyond memory": (put(2**61, "decision", "n_trees"), "decision.n_trees: found 2305843009213693952, allowed"),
    "more that was learned": (put(3, "decision", "n_learned"), "learned.npy: holds 0 bytes as"),
    "more trees": (put(3, "decision", "n_trees"), "trees.npy: holds 148 bytes as"),
    "kind from elsewhere": (put("pq", "index", "kind"), "document.index.kind: found 'pq'"),
    "compression from elsewhere": (put("lzma", "compression"), "document.compression: found 'lzma'"),
    "digest in capitals": (put("A" * 64, "index", "frame_sha256"), "document.index.frame_sha256: found"),
    "fingerprint that climbs": (put("../" * 10 + "aa", "encoder", "fingerprint"), "encoder.fingerprint: found"),
    "namespaces as text": (put("web", "namespaces"), "document.namespaces: found 'web'"),
    "namespaces of numbers": (put([1, 2], "namespaces"), "document.namespaces: found '[1, 2]'"),
    "corpora of texts": (put(["a"], "corpora"), "document.corpora[0]: found str, allowed an object"),
    "files as a list": (put([], "files"), "document.files: found list, allowed an object"),
    "one file less": (drop("files", "probes.npy"), "files: found ['adapter.npy', 'answer_facts.npy', 'entries.npy'"),
    "one file more": (put(A_FILE, "files", "extra"), "'answer_facts.npy', 'entries.npy', 'extra'"),
    "a file that climbs": (put({}, "files", "../../../CURRENT"), "files: '../../../CURRENT' is not a plain file name"),
    "a file elsewhere": (put({}, "files", "/etc/passwd"), "files: '/etc/passwd' is not a plain file name"),
    "a file in a folder": (put({}, "files", "a\\b"), "files: 'a\\\\b' is not a plain file name"),
    "a file of no name": (put({}, "files", ""), "files: '' is not a plain file name"),
    "the folder itself": (put({}, "files", "."), "files: '.' is not a plain file name"),
    "the folder above": (put({}, "files", ".."), "files: '..' is not a plain file name"),
    "a name with a zero byte": (put({}, "files", "rows.npy\0"), "files: 'rows.npy\\x00' is not a plain file name"),
    "a file's size as text": (put("184", "files", "rows.npy", "size_bytes"), "files.rows.npy.size_bytes: found '184'"),
    "other number of rows": (put(13, "counts", "rows"), "rows.npy: holds 56 bytes as"),
    "other number of entries": (put(9, "counts", "entries"), "entries.npy: holds 128 bytes as"),
    "rows beyond memory": (put(2**61, "counts", "rows"), "rows.npy: holds 56 bytes as"),
    "fewer answers": (put(7, "counts", "answers"), "entries.npy: holds a number outside 0 to 6"),
    "no namespaces": (without_namespaces, "entries.npy: holds a number outside 0 to -1"),
    "other dim": (put(65, "encoder", "dim"), "probes.npy: holds 2048 bytes as"),
    "fewer probes": (put(["a"], "encoder", "probe_texts"), "probes.npy: holds 2048 bytes as"),
    "other kind": (put("ivf", "index", "kind"), "index.faiss: is flat with 14 rows of 64, the manifest says otherwise"),
    "effort for a flat index": (put(1, "index", "effort"), "index.faiss: flat index with effort 1 in the manifest"),
    "other frame": (put("0" * 64, "index", "frame_sha256"), "index.faiss: its frame is not the one that was written"),
    "other digest": (put("0" * 64, "files", "rows.npy", "sha256"), "rows.npy: is not the file that was written"),
    "other size": (put(7, "files", "values.mdb", "size_bytes"), "values.mdb: has 36864 bytes, the manifest says 7"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_manifest_is_corrupt(bundle: Path, change: Change, reason: str) -> None:
    """Each field has its type and range; the message names what was found, and the full check says the same."""
    reseal(bundle, change)
    with pytest.raises(BundleCorruptError) as caught:
        Cache.open(bundle)
    assert reason in str(caught.value)
    assert any(reason in problem for problem in check_bundle(bundle))


NOT_JSON = {
    "nothing": b"",
    "not JSON": b"format: semcache-bundle",
    "not UTF-8": b'{"format": "\xff"}',
    "a list": b"[]",
    "a number": b"1",
    "nested without end": b"[" * 200_000,
    "nested objects": b'{"a":' * 200_000,
    "a number of many digits": b'{"format": "semcache-bundle", "format_version": ' + b"1" * 5000 + b"}",
    "cut in the middle": b'{"format": "semcache-bundle", "format_ver',
    "zero bytes": bytes(4096),
    "20 MB": b" " * 20_000_000,
}


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON)
def test_a_manifest_that_is_no_manifest_is_corrupt(bundle: Path, raw: bytes) -> None:
    """Whatever the bytes, as long as the folder is named after them."""
    write_document(bundle, raw)
    assert ask(bundle) == ["error BundleCorruptError"]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("effort", [0, 2**31, 2**61])
def test_an_effort_that_no_search_can_make_is_corrupt(root: Path, kind: str, effort: int) -> None:
    """Said at open, not in the first search, and without a gigabyte of heap."""
    reseal(root / kind, put(effort, "index", "effort"))
    with pytest.raises(BundleCorruptError, match=rf"index\.faiss: {kind} index with effort {effort} in the manifest"):
        Cache.open(root / kind)


def test_numbers_that_only_somebody_who_means_harm_writes_are_harmless(root: Path, bundle: Path) -> None:
    """A manifest may ask for every row, for none, or to be called anything: hits, misses, and a process that lives."""
    right = ask(bundle)
    changes = [
        (put(2**61, "decision", "n_neighbours"), right),
        (put("\ud800", "name"), right),
        (put(["Apache-2.0\u202e"], "licences"), right),
        (put(2**61, "encoder", "max_tokens"), right),
    ]
    for i, (change, _) in enumerate(changes):
        copy = root / f"copy{i}"
        copy.mkdir()
        for path in bundle.rglob("*"):
            target = copy / path.relative_to(bundle)
            target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
        reseal(copy, change)
    found = ask_in_a_process([root / f"copy{i}" for i in range(len(changes))])
    assert found == [expected for _, expected in changes]


def test_no_neighbours_means_no_semantic_hits(bundle: Path) -> None:
    """Zero rows to decide on decide nothing."""
    reseal(bundle, put(0, "decision", "n_neighbours"))
    found = ask(bundle)
    assert found[0].startswith("hit login/add")
    assert found[2] == "miss below_threshold"


def test_another_spelling_of_the_manifest_is_another_version(bundle: Path) -> None:
    """Its own id holds; the id of the canonical spelling does not."""
    folder = version_dir(bundle)
    compact = json.dumps(json.loads((folder / "manifest.json").read_bytes())).encode()
    replace_bytes(folder / "manifest.json", compact)
    assert ask(bundle) == ["error BundleCorruptError"]


WRONG_ENCODERS = {
    "unknown field": (put(1, "invented"), "document.invented: unknown field"),
    "missing field": (drop("dim"), "document.dim: missing"),
    "no dimension": (put(0, "dim"), "dim 0 and max_tokens 256, allowed 1 to 65536"),
    "too many dimensions": (put(65_537, "dim"), "dim 65537 and max_tokens 256"),
    "no tokens": (put(0, "max_tokens"), "max_tokens 0, allowed"),
    "too many tokens": (put(2**21, "max_tokens"), "max_tokens 2097152, allowed"),
    "kind from elsewhere": (put("pickle", "kind"), "document.kind: found 'pickle'"),
    "dimension as text": (put("64", "dim"), "document.dim: found '64'"),
}


def become_encoder(bundle: Path, raw: bytes) -> None:
    """Make these bytes the encoder.json of a bundle, every digest right."""
    fingerprint = sha256(raw).hexdigest()[:32]
    folder = bundle.parent / "encoders" / fingerprint
    folder.mkdir()
    (folder / "encoder.json").write_bytes(raw)
    reseal(bundle, put(fingerprint, "encoder", "fingerprint"))


@pytest.mark.parametrize(("change", "reason"), WRONG_ENCODERS.values(), ids=WRONG_ENCODERS)
def test_a_wrong_encoder_is_an_encoder_error(bundle: Path, change: Change, reason: str) -> None:
    """Said by the first lookup that needs it, and by the full check; exact hits go on."""
    document = json.loads(file_of(bundle, "encoder.json").read_bytes())
    change(document)
    become_encoder(bundle, canonical(document))
    with Cache.open(bundle) as cache:
        assert cache.lookup("add login page").hit
        with pytest.raises(EncoderError) as caught:
            cache.lookup("now add login page")
    assert reason in str(caught.value)
    (problem,) = check_bundle(bundle)
    assert reason in problem


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON)
def test_an_encoder_that_is_no_encoder_is_an_encoder_error(bundle: Path, raw: bytes) -> None:
    """Whatever the bytes, as long as the folder is named after them."""
    become_encoder(bundle, raw)
    assert ask(bundle)[2] == "error EncoderError"


def test_an_encoder_of_other_vectors_is_a_mismatch(bundle: Path) -> None:
    """Another dimension than the index has: no lookup is embedded with it, and the full check says so."""
    document = json.loads(file_of(bundle, "encoder.json").read_bytes())
    document["dim"] = 32
    become_encoder(bundle, canonical(document))
    found = ask(bundle)
    assert (found[0][:13], found[2]) == ("hit login/add", "error EncoderMismatchError")
    (problem,) = check_bundle(bundle)
    assert "encoder.dim is 64, the encoder gives 32" in problem
