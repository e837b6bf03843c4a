"""Files that are missing, cut short, changed or exchanged: an error or a miss, never another answer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from asking import QUESTIONS, ask, wrong_answers
from surgery import file_of, flip, replace_bytes, reseal, rewrite_records, version_dir

from semcache import Cache, check_bundle
from semcache.bundle import layout
from semcache.embed.encoder_dir import EncoderSpec
from semcache.errors import BundleCorruptError, BundleNotFoundError, StorageError

FILES = {
    "CURRENT": "error BundleNotFoundError",
    "manifest.json": "error BundleNotFoundError",
    "index.faiss": "error BundleCorruptError",
    "values.mdb": "error BundleCorruptError",
    "rows.npy": "error BundleCorruptError",
    "entries.npy": "error BundleCorruptError",
    "probes.npy": "error BundleCorruptError",
    "records.sha256": "error BundleCorruptError",
    **dict.fromkeys(layout.DECISION_FILES, "error BundleCorruptError"),
}
"""Every file that is needed to open a bundle -> what opening says where it is missing."""
CHANGED = {
    "CURRENT": "CURRENT: ",
    "manifest.json": "manifest.json: is not the manifest that was written",
    "index.faiss": "index.faiss: is not the file that was written (sha256 differs from the manifest's)",
    "values.mdb": "values.mdb: is not the file that was written (sha256 differs from the manifest's)",
    "rows.npy": "rows.npy: is not the file that was written (sha256 differs from the manifest's)",
    "entries.npy": "entries.npy: is not the file that was written (sha256 differs from the manifest's)",
    "probes.npy": "probes.npy: is not the file that was written (sha256 differs from the manifest's)",
    "records.sha256": "records.sha256: is not the file that was written (sha256 differs from the manifest's)",
    "encoder.json": "encoder.json: is not the file that was written",
    **{name: f"{name}: is not the file that was written (sha256 differs from" for name in layout.DECISION_FILES},
}
"""Every file -> what the full check says where one bit of it is another one."""


def offsets(path: Path) -> list[int]:
    """Give every place in a small file; in a larger one the ends and a seeded sample."""
    size = path.stat().st_size
    if size <= 200:
        return list(range(size))
    return [0, size - 1, *np.random.default_rng(size).integers(0, size, 40).tolist()]


def test_an_undamaged_bundle_answers(bundle: Path) -> None:
    """What the damaged ones are held against."""
    right = ask(bundle)
    assert [word.split()[0] for word in right] == [
        *("hit", "hit", "hit", "hit", "miss", "miss", "miss", "hit", "hit", "hit", "miss"),
        *("miss", "hit", "hit", "hit", "hit", "hit", "hit", "hit", "hit", "miss"),
    ]
    assert len(right) == len(QUESTIONS)


@pytest.mark.parametrize(("name", "error"), FILES.items())
def test_a_missing_file_is_said_at_open(bundle: Path, name: str, error: str) -> None:
    """Opening fails, and the full check names the file too."""
    path = file_of(bundle, name)
    path.unlink()
    assert ask(bundle) == [error]
    (problem,) = check_bundle(bundle)
    assert str(path) in problem
    assert "missing" in problem


def test_a_missing_encoder_costs_semantic_lookups_only(bundle: Path) -> None:
    """Exact hits need no encoder; the others say what is missing, and so does the full check."""
    file_of(bundle, "encoder.json").unlink()
    found = ask(bundle)
    assert found[0].startswith("hit login/add")
    assert found[2] == "error EncoderError"
    (problem,) = check_bundle(bundle)
    assert "encoder.json: missing" in problem


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_said_at_open(bundle: Path, name: str, keep: float) -> None:
    """Whatever is left of it: nothing, a head, a half, all but the end."""
    path = file_of(bundle, name)
    data = path.read_bytes()
    replace_bytes(path, data[: min(int(len(data) * keep), len(data) - 2)])
    assert ask(bundle) == ["error BundleCorruptError"]
    (problem,) = check_bundle(bundle)
    assert str(path) in problem


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_more_at_its_end_is_said_at_open(bundle: Path, name: str) -> None:
    """One byte too many is not the file that was written."""
    path = file_of(bundle, name)
    replace_bytes(path, path.read_bytes() + b"\n")
    assert ask(bundle) == ["error BundleCorruptError"]


@pytest.mark.parametrize("name", CHANGED)
def test_a_flipped_bit_never_gives_another_answer(bundle: Path, name: str) -> None:
    """Wherever it is: right answers, misses or errors, and the next bit is as good as this one."""
    right, path = ask(bundle), file_of(bundle, name)
    data = path.read_bytes()
    for at in offsets(path):
        flip(path, at, bit=at % 8)
        assert wrong_answers(ask(bundle), right) == [], f"{name}, byte {at}"
        replace_bytes(path, data)


@pytest.mark.parametrize(("name", "reason"), CHANGED.items())
def test_the_full_check_finds_every_flipped_bit(bundle: Path, name: str, reason: str) -> None:
    """It names the file and says what is wrong with it; nothing else is blamed."""
    path = file_of(bundle, name)
    data = path.read_bytes()
    for at in offsets(path):
        flip(path, at)
        problems = check_bundle(bundle)
        assert len(problems) == 1, f"{name}, byte {at}"
        assert reason in problems[0]
        replace_bytes(path, data)
    assert check_bundle(bundle) == []


@pytest.mark.parametrize("name", ["model.onnx", "model.weights", "tokenizer.json"])
def test_the_full_check_finds_a_flipped_bit_in_an_encoders_files(bundle: Path, name: str) -> None:
    """An encoder is checked from its bytes, not from what this process has loaded of it."""
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of b"test"
    spec = EncoderSpec("onnx", "fake", 64, 256, *[digest] * 4)
    folder = bundle.parent / "encoders" / spec.fingerprint
    folder.mkdir()
    for file in spec.digests:
        (folder / file).write_bytes(b"test")
    (folder / "encoder.json").write_bytes(spec.to_bytes())
    reseal(bundle, lambda document: document["encoder"].update(fingerprint=spec.fingerprint))
    flip(folder / name, 3)
    assert check_bundle(bundle) == [f"{folder / name}: is not the file that was written (sha256 differs); build again"]


def test_the_full_check_sees_what_a_loaded_encoder_hides(bundle: Path) -> None:
    """A cache that is open keeps its encoder; the check reads encoder.json all the same."""
    with Cache.open(bundle) as cache:
        assert cache.lookup("now add login page").hit
        flip(file_of(bundle, "encoder.json"), 10)
        (problem,) = check_bundle(bundle)
    assert "encoder.json: is not the file that was written" in problem


@pytest.mark.parametrize(
    "name", sorted(FILES.keys() - {"probes.npy", "adapter.npy", "trees.npy", "learned.npy"})
)  # these are alike
def test_a_file_of_another_bundle_is_said_at_open(bundle: Path, root: Path, name: str) -> None:
    """Exchanged files never answer together, whatever their sizes."""
    path, theirs = file_of(bundle, name), file_of(root / "other", name)
    replace_bytes(path, theirs.read_bytes())
    assert ask(bundle) in (["error BundleCorruptError"], ["error BundleNotFoundError"])
    assert check_bundle(bundle) != []


def test_records_of_yesterdays_version_are_said_at_open(bundle: Path, root: Path) -> None:
    """values.mdb of the same size, with the same numbers of everything, and one answer that has changed since."""
    values = version_dir(bundle) / "values.mdb"
    yesterday = root / "yesterday"
    shutil.copytree(bundle, yesterday)
    data = values.read_bytes()
    assert len(data) == (version_dir(yesterday) / "values.mdb").stat().st_size
    rewrite_records(yesterday, lambda records: records["values"].update({b"\0\0\0\1": b"\0\0\0\0docker run POSTGRES"}))
    replace_bytes(values, (version_dir(yesterday) / "values.mdb").read_bytes())
    assert len(data) == values.stat().st_size
    with pytest.raises(BundleCorruptError, match=r"values\.mdb: holds other records than were written"):
        Cache.open(bundle)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "''"),
        (b"\n", "''"),
        (b"../../../../etc/passwd\n", "'../../../../etc/passwd'"),
        (b"versions/0123456789abcdef0123456789abc\n", "'versions/0123456789abcdef0123456789abc'"),
        (b"0123456789ABCDEF0123456789ABCDEF\n", "'0123456789ABCDEF0123456789ABCDEF'"),
        (b"0123456789abcdef0123456789abcdef\n\n", "'0123456789abcdef0123456789abcdef\\n'"),
        (b"0123456789abcdef0123456789abcde\xff\n", None),
        (b"0" * 10_000_000, "'0000000000000000000000000000000000000000'"),
        (b"\0" * 32, None),
    ],
)
def test_a_current_that_is_no_id_is_corrupt(bundle: Path, content: bytes, found: str | None) -> None:
    """Empty, huge, binary or a path: it is told, and no path is made of it."""
    replace_bytes(bundle / "CURRENT", content)
    with pytest.raises(BundleCorruptError, match=r"CURRENT: found .*, allowed 32 lower-case hex digits") as caught:
        Cache.open(bundle)
    assert found is None or f"found {found}, allowed" in str(caught.value)


def test_a_current_that_names_no_version_is_not_found(bundle: Path) -> None:
    """The full check blames CURRENT, not the version."""
    replace_bytes(bundle / "CURRENT", b"0123456789abcdef0123456789abcdef\n")
    with pytest.raises(BundleNotFoundError, match=r"0123456789abcdef0123456789abcdef/manifest\.json: missing"):
        Cache.open(bundle)
    assert check_bundle(bundle) == [
        f"{bundle / 'CURRENT'}: names version 0123456789abcdef0123456789abcdef, which is not here"
    ]


def test_a_current_that_is_a_folder_is_a_storage_error(bundle: Path) -> None:
    """The system says why it cannot be read."""
    (bundle / "CURRENT").unlink()
    (bundle / "CURRENT").mkdir()
    with pytest.raises(StorageError, match="CURRENT: Is a directory"):
        Cache.open(bundle)
    (problem,) = check_bundle(bundle)
    assert "CURRENT: Is a directory" in problem


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_an_error(bundle: Path, name: str) -> None:
    """Of semcache's own, for each file."""
    path = file_of(bundle, name)
    path.unlink()
    path.mkdir()
    assert ask(bundle) in (["error StorageError"], ["error BundleCorruptError"])


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_does_not_hang(bundle: Path, name: str) -> None:
    """Nobody writes to it; opening must not wait for somebody who does."""
    path = file_of(bundle, name)
    path.unlink()
    os.mkfifo(path)
    assert ask(bundle) in (["error BundleCorruptError"], ["error BundleNotFoundError"])


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_nowhere_is_an_error(bundle: Path, name: str) -> None:
    """Also one that leads to itself."""
    path = file_of(bundle, name)
    path.unlink()
    path.symlink_to(path)
    assert ask(bundle)[0] in ("error StorageError", "error BundleNotFoundError")
