"""FORMAT.md's worked example is parsed and held against the golden bundle, byte for byte."""

from __future__ import annotations

import math
import re
from binascii import crc32
from hashlib import blake2b, sha256
from pathlib import Path

import lmdb
import numpy as np
import pytest

from semcache import Cache, Hit
from semcache.bundle import layout
from semcache.core.features import RETRIEVAL
from semcache.core.lexical import FEATURES as LEXICAL
from semcache.core.lexical import analyse, token_slot
from semcache.core.text import exact_key, normalise

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BUNDLE = REPOSITORY / "tests" / "data" / "golden" / "plain"
PAGE = (REPOSITORY / "FORMAT.md").read_text("utf-8")


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    """Give the lines of the example: name -> value, quotes taken off."""
    (block,) = re.findall(r"^```golden\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    lines = dict(line.split(": ", 1) for line in block.splitlines())
    return {name: value.strip('"') for name, value in lines.items()}


@pytest.fixture(scope="module")
def version_dir(example: dict[str, str]) -> Path:
    """Give the folder of the version that the example names."""
    return BUNDLE / "versions" / example["CURRENT"]


def hexed(text: str) -> bytes:
    """Give the bytes of hex digits in groups."""
    return bytes.fromhex(text.replace(" ", ""))


def test_the_example_has_every_kind_of_byte(example: dict[str, str]) -> None:
    """Nothing was dropped from the page without this list being changed too."""
    assert list(example) == [
        "CURRENT",
        "manifest.json, first 64",
        "encoder.json, sha256",
        "text",
        "normalised",
        "key",
        "keys[key]",
        "variants[4]",
        "variants[3]",
        "entries[4]",
        "values[4]",
        "records.sha256",
        "rows.npy",
        "rows.npy, data",
        "entries.npy, record 1",
        "row_facts.npy, record 4",
        "answer_facts.npy, record 0",
        "terms",
        "slots",
        "words.npy, row 4",
        "rarity.npy, slot 36279",
        "trees.npy, tree 0, features",
        "trees.npy, tree 0, thresholds",
        "trees.npy, tree 0, leaves",
        'confidence of "now add login page"',
        "index.faiss, frame",
        "index.faiss, crc32",
    ]


def test_the_small_files_are_those_of_the_example(example: dict[str, str], version_dir: Path) -> None:
    """CURRENT, the manifest, the encoder and records.sha256."""
    assert (BUNDLE / "CURRENT").read_text("ascii") == example["CURRENT"] + "\n"
    manifest = (version_dir / "manifest.json").read_bytes()
    assert manifest[:64] == hexed(example["manifest.json, first 64"])
    assert sha256(manifest).hexdigest().startswith(example["CURRENT"])
    assert (version_dir / "records.sha256").read_text("ascii") == example["records.sha256"] + "\n"
    (encoder,) = (BUNDLE.parent / "encoders").glob("*/encoder.json")
    assert encoder.parent.name == example["encoder.json, sha256"]
    assert sha256(encoder.read_bytes()).hexdigest().startswith(example["encoder.json, sha256"])


def test_the_key_is_that_of_the_example(example: dict[str, str]) -> None:
    """By our own function, and by BLAKE2b as the page says it."""
    assert normalise(example["text"]) == example["normalised"]
    assert exact_key(example["normalised"]) == hexed(example["key"])
    assert blake2b(example["normalised"].encode(), digest_size=16).digest() == hexed(example["key"])


@pytest.mark.parametrize("name", ["keys[key]", "variants[4]", "variants[3]", "entries[4]", "values[4]"])
def test_each_record_is_that_of_the_example(
    example: dict[str, str], version_dir: Path, tmp_path: Path, name: str
) -> None:
    """Read with plain LMDB: key, checksum and payload."""
    table, place = re.fullmatch(r"(\w+)\[(\w+)\]", name).groups()  # type: ignore[union-attr]
    key = hexed(example["key"]) if place == "key" else int(place).to_bytes(4, "big")
    path = tmp_path / "values.mdb"  # a process may open a file once, and another test may have the golden one open
    path.write_bytes((version_dir / "values.mdb").read_bytes())
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_dbs=8) as env:
        db = env.open_db(table.encode(), create=False)
        with env.begin() as txn:
            record = txn.get(key, db=db)
    assert record == hexed(example[name])


def test_the_records_of_the_example_belong_together(example: dict[str, str]) -> None:
    """The key's rows are the text's, one in each namespace; row 3 is a guard."""
    assert np.frombuffer(hexed(example["keys[key]"])[4:], "<u4").tolist() == [4, 10]
    assert hexed(example["variants[4]"])[5:].decode() == example["text"]
    assert [int(entry) for entry in example["rows.npy"].split()][3] == ~0


def test_the_arrays_are_those_of_the_example(example: dict[str, str], version_dir: Path) -> None:
    """As NumPy reads them, and as bytes after a head of 128 and 192."""
    rows = np.load(version_dir / "rows.npy", allow_pickle=False)
    assert rows.tolist() == [int(entry) for entry in example["rows.npy"].split()]
    assert (version_dir / "rows.npy").read_bytes()[128:] == hexed(example["rows.npy, data"])
    assert (version_dir / "entries.npy").read_bytes()[192 + 16 : 192 + 32] == hexed(example["entries.npy, record 1"])


def test_the_arrays_of_the_decision_are_those_of_the_example(example: dict[str, str], version_dir: Path) -> None:
    """As bytes after a head of 128 or 192."""

    def data(name: str, n_head: int, n_bytes: int, number: int) -> bytes:
        at = n_head + number * n_bytes
        return (version_dir / name).read_bytes()[at : at + n_bytes]

    assert data("row_facts.npy", 128, 2, 4) == hexed(example["row_facts.npy, record 4"])
    assert data("answer_facts.npy", 192, 12, 0) == hexed(example["answer_facts.npy, record 0"])
    assert data("words.npy", 128, 32, 4) == hexed(example["words.npy, row 4"])
    assert data("rarity.npy", 128, 4, 36_279) == hexed(example["rarity.npy, slot 36279"])
    tree = "".join(example[f"trees.npy, tree 0, {part}"] for part in ("features", "thresholds", "leaves"))
    assert data("trees.npy", 192, 74, 0) == hexed(tree)
    sizes = {name: (version_dir / f"{name}.npy").stat().st_size for name in ("row_facts", "words", "rarity", "trees")}
    assert sizes == {"row_facts": 128 + 14 * 2, "words": 128 + 14 * 32, "rarity": 128 + 65_535 * 4, "trees": 192 + 148}
    assert (version_dir / "adapter.npy").stat().st_size == 128
    assert (version_dir / "learned.npy").stat().st_size == 128
    assert (version_dir / "answer_facts.npy").stat().st_size == 192 + 8 * 12


def test_the_slots_are_those_of_the_example(example: dict[str, str]) -> None:
    """By our own functions, and by CRC-32 as the page says it; the row of the text has them, rising."""
    terms, slots = example["terms"].split(), [int(slot) for slot in example["slots"].split()]
    assert list(analyse(example["text"]).places) == terms
    assert [token_slot(term, 65_535) for term in terms] == slots
    assert [crc32(term.encode()) % 65_535 for term in terms] == slots
    row = np.frombuffer(hexed(example["words.npy, row 4"]), "<u2").tolist()
    assert row == [*sorted(slots), *[65_535] * 13]
    # Of 14 rows, 2 hold the term.
    rarity = math.log(15 / 2.5) / math.log(15 / 0.5)
    assert np.frombuffer(hexed(example["rarity.npy, slot 36279"]), "<f4")[0] == pytest.approx(rarity, abs=1e-4)


def test_the_confidence_is_that_of_the_example(example: dict[str, str]) -> None:
    """As a lookup gives it, and as the page says it: the leaves 3 and 2."""
    with Cache.open(BUNDLE) as cache:
        hit = cache.lookup("now add login page")
    assert isinstance(hit, Hit)
    wanted = float(example['confidence of "now add login page"'])
    assert hit.confidence == pytest.approx(wanted, abs=1e-4)
    assert 1 / (1 + math.exp(-(3.0 + 2.0))) == pytest.approx(wanted, abs=1e-4)


def test_every_feature_is_on_the_page() -> None:
    """Those of the neighbourhood by name, those of the words by their file, in the order of the manifest."""
    section = PAGE.split("## Decision")[1].split("## Writing")[0]
    named = [
        name
        for line in section.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert tuple(named) == (*RETRIEVAL, "unsaid")
    assert f"{len(LEXICAL)} more" in section


def test_the_index_is_that_of_the_example(example: dict[str, str], version_dir: Path) -> None:
    """Its frame from the first byte on, its checksum at the end."""
    raw = (version_dir / "index.faiss").read_bytes()
    frame = hexed(example["index.faiss, frame"])
    assert raw.startswith(frame)
    assert len(raw) == len(frame) + 14 * 2 * 64 + 4
    assert raw[-4:] == hexed(example["index.faiss, crc32"])


@pytest.mark.parametrize("name", [*layout.VERSION_FILES, *layout.TABLES, "CURRENT", "manifest.json", "encoder.json"])
def test_every_name_on_disk_is_on_the_page(name: str) -> None:
    """A file or a table that the page does not know is not part of the format."""
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    "name",
    [
        "BundleNotFoundError",
        "BundleCorruptError",
        "BundleFormatError",
        "StorageError",
        "EncoderError",
        "EncoderMismatchError",
    ],
)
def test_every_error_of_a_reader_is_on_the_page(name: str) -> None:
    """The table of checks names what each of them raises."""
    assert f"`{name}`" in PAGE.split("## Reading")[1].split("## Versions")[0]
