from __future__ import annotations

from pathlib import Path

import pytest

from semcache.bundle import layout
from semcache.core.features import ANSWER_FACTS, N_SLOTS, N_WORDS, NO_WORD, ROW_FACTS
from semcache.core.verifier import TREE


def test_the_names_on_disk_never_change() -> None:
    """Changing any of them changes the format."""
    names = {name: value for name, value in vars(layout).items() if name.endswith(("_FILE", "_DIR", "_PREFIX"))}
    assert names == {
        "CURRENT_FILE": "CURRENT",
        "LOCK_FILE": "build.lock",
        "HISTORY_FILE": "history",
        "VERSIONS_DIR": "versions",
        "ENCODERS_DIR": "encoders",
        "SOURCES_DIR": "sources",
        "STAGING_PREFIX": ".staging-",
        "MANIFEST_FILE": "manifest.json",
        "INDEX_FILE": "index.faiss",
        "VALUES_FILE": "values.mdb",
        "ROWS_FILE": "rows.npy",
        "ENTRIES_FILE": "entries.npy",
        "PROBES_FILE": "probes.npy",
        "RECORDS_FILE": "records.sha256",
        "ADAPTER_FILE": "adapter.npy",
        "EXPORT_LOCK_FILE": "export.lock",
        "CHUNKS_DIR": "chunks",
        "EMBEDDINGS_DIR": "embeddings",
        "TRUST_DIR": "trust",
        "PULLED_FILE": "pulled.json",
        "REBUILT_FILE": "rebuild.json",
        "REBUILD_PAGE_FILE": "rebuild.html",
        "REBUILD_LOCK_FILE": "rebuild.lock",
        "RELEASES_DIR": "releases",
        "ROW_FACTS_FILE": "row_facts.npy",
        "ANSWER_FACTS_FILE": "answer_facts.npy",
        "WORDS_FILE": "words.npy",
        "RARITY_FILE": "rarity.npy",
        "TREES_FILE": "trees.npy",
        "LEARNED_FILE": "learned.npy",
    }


def test_the_tables_of_values_never_change() -> None:
    """They are the names in values.mdb."""
    assert layout.TABLES == ("keys", "values", "entries", "variants", "meta")
    assert layout.DICTIONARY_KEY == b"dictionary"


def test_the_files_of_a_version_are_all_but_the_manifest() -> None:
    """The manifest lists them."""
    arrays = {"rows.npy", "entries.npy", "probes.npy"}
    arrays |= {
        "adapter.npy",
        "row_facts.npy",
        "answer_facts.npy",
        "words.npy",
        "rarity.npy",
        "trees.npy",
        "learned.npy",
    }
    assert set(layout.VERSION_FILES) == {"index.faiss", "values.mdb", "records.sha256", *arrays}


def test_arrays_are_little_endian_and_packed() -> None:
    """4 bytes a row; 4, 4 and 8 bytes an entry."""
    assert layout.ROW_DTYPE.str == "<i4"
    assert layout.ENTRY_DTYPE.descr == [("namespace", "<i4"), ("answer", "<i4"), ("valid_until", "<i8")]
    assert layout.ENTRY_DTYPE.itemsize == 16
    assert ROW_FACTS.descr == [("hardness", "|u1"), ("closest", "|u1")]
    assert ANSWER_FACTS.descr == [("n_rows", "<i4"), ("cohesion", "<f4"), ("hardness", "<f4")]
    assert TREE.descr == [("feature", "<i2", (7,)), ("threshold", "<f4", (7,)), ("leaf", "<f4", (8,))]
    assert (ROW_FACTS.itemsize, ANSWER_FACTS.itemsize, TREE.itemsize) == (2, 12, 74)
    assert (N_SLOTS, NO_WORD, N_WORDS) == (65_535, 65_535, 16)


def test_never_is_the_last_second_there_is() -> None:
    """It fits into 8 bytes, and no clock passes it."""
    assert layout.NEVER == 9_223_372_036_854_775_807


def test_there_are_eight_different_probes() -> None:
    """Each probe tests another kind of text."""
    assert len(set(layout.PROBE_TEXTS)) == 8


@pytest.mark.parametrize("text", ["0" * 32, "0123456789abcdef0123456789abcdef"])
def test_a_version_id_is_32_hex_digits(text: str) -> None:
    """Lower case."""
    assert layout.is_version_id(text)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 32 + "\n", "../" + "0" * 29])
def test_anything_else_is_no_version_id(text: str) -> None:
    """It becomes a folder's name, so nothing may lead elsewhere."""
    assert not layout.is_version_id(text)


@pytest.mark.parametrize("text", ["a", "A", "0", "demo", "my-bundle_v1.2", "x" * 64])
def test_a_plain_word_is_a_name(text: str) -> None:
    """Letters, digits, dot, underscore and hyphen; up to 64 of them."""
    assert layout.is_name(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", ".hidden", "-flag", "_x", "a/b", "a\\b", "a b", "a\0b", "caf\u00e9", "x" * 65, "a\n", "encoders"],
)
def test_a_name_leads_nowhere_else(text: str) -> None:
    """Nothing that could be a path, a flag, a hidden file, or the folder of encoders."""
    assert not layout.is_name(text)


def test_encoders_stand_beside_the_bundles_of_a_root() -> None:
    """By their fingerprint."""
    assert layout.encoder_dir(Path("indexes"), "0a") == Path("indexes/encoders/0a")
