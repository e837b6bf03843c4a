from __future__ import annotations

import errno
import gc
import mmap
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from semcache.errors import BundleCorruptError, StorageError
from semcache.store import lmdb_values
from semcache.store.lmdb_values import TableReader, TableWriter, records_sha256, verify_file

RECORDS: dict[str, dict[bytes, bytes]] = {
    "one": {b"a": b"first answer", b"b": b"", b"c": b"x" * 100_000},
    "other": {b"a": b"the same key in another table"},
}


def write(path: Path, records: Mapping[str, Mapping[bytes, bytes]] = RECORDS) -> Path:
    """Write tables into a sealed file."""
    writer = TableWriter(path.with_name("scratch"), records)
    for table, pairs in records.items():
        for key, payload in pairs.items():
            writer.put(table, key, payload)
    writer.finish(path)
    return path


def damage(path: Path, found: bytes, put: bytes) -> None:
    """Overwrite bytes of a file that is not open."""
    raw = path.read_bytes()
    assert raw.count(found) == 1
    path.write_bytes(raw.replace(found, put))


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """Give a sealed file with two tables."""
    return write(tmp_path / "values.mdb")


def test_records_survive_the_round_trip(sealed: Path) -> None:
    """Every payload comes back from its own table, small, empty or over many pages."""
    reader = TableReader(sealed, RECORDS)
    assert {table: {key: reader.get(table, key) for key in pairs} for table, pairs in RECORDS.items()} == RECORDS


def test_a_key_that_is_not_there_is_none(sealed: Path) -> None:
    """A key of another table, and one between two keys."""
    reader = TableReader(sealed, RECORDS)
    assert (reader.get("other", b"b"), reader.get("one", b"aa")) == (None, None)


def test_get_all_gives_payloads_in_the_order_asked(sealed: Path) -> None:
    """Across tables."""
    payloads = TableReader(sealed, RECORDS).get_all(("other", b"a"), ("one", b"a"))
    assert payloads == [b"the same key in another table", b"first answer"]


def test_get_all_says_which_record_is_missing(sealed: Path) -> None:
    """What must be there and is not is corruption, with table and key."""
    reader = TableReader(sealed, RECORDS)
    with pytest.raises(BundleCorruptError, match=r"values\.mdb: other: record 7a is missing$"):
        reader.get_all(("one", b"a"), ("other", b"z"))


def test_count_gives_the_number_of_records(sealed: Path) -> None:
    """Of one table, not of the file."""
    reader = TableReader(sealed, RECORDS)
    assert (reader.count("one"), reader.count("other")) == (3, 1)


def test_what_get_gives_is_a_copy(sealed: Path) -> None:
    """Small records are copied: nothing can be held that dies with the environment."""
    assert type(TableReader(sealed, RECORDS).get("one", b"a")) is bytes


@pytest.mark.parametrize("key", [b"a", b"b", b"c"])
def test_a_view_holds_the_payload(sealed: Path, key: bytes) -> None:
    """Small, empty, or over many pages; asked once or again."""
    reader = TableReader(sealed, RECORDS, viewed="one")
    views = [reader.view(key, number=b"abc".index(key)) for _ in range(3)]
    assert views == [RECORDS["one"][key]] * 3


@pytest.mark.parametrize("number", [1, 2, 3, 1 << 40])
def test_a_view_under_the_wrong_number_is_found_by_its_key(sealed: Path, number: int) -> None:
    """A place is never taken for another one, and a table with a gap costs a search, not its answers."""
    view = TableReader(sealed, RECORDS, viewed="one").view(b"a", number=number)
    assert bytes(view) == b"first answer"


def test_many_records_are_viewed_at_their_places(tmp_path: Path) -> None:
    """Over several levels of pages, with records large and small, after keys of even and odd lengths."""
    records = {b"%0*d" % (5 + i % 2, i): b"%d" % i * (1 + i % 7 * 400) for i in range(3000)}
    in_order = dict(sorted(records.items()))
    reader = TableReader(write(tmp_path / "many.mdb", {"one": in_order}), ["one"], viewed="one")
    assert [bytes(reader.view(key, number=i)) for i, key in enumerate(in_order)] == list(in_order.values())


def test_a_view_is_one_of_the_map(sealed: Path) -> None:
    """No copy: an answer costs the same whatever its length."""
    assert isinstance(TableReader(sealed, RECORDS, viewed="one").view(b"c", number=2).obj, mmap.mmap)


def test_a_view_cannot_be_written(sealed: Path) -> None:
    """Its pages are shared with every process."""
    assert TableReader(sealed, RECORDS, viewed="one").view(b"a", number=0).readonly


def test_a_view_outlives_its_reader_and_its_file(sealed: Path) -> None:
    """It stays readable for as long as it is held: after the environment is closed and the file deleted."""
    reader = TableReader(sealed, RECORDS, viewed="one")
    view = reader.view(b"a", number=0)
    del reader
    gc.collect()
    sealed.unlink()
    assert bytes(view) == b"first answer"


def test_a_view_of_a_record_that_is_missing_says_which(sealed: Path) -> None:
    """What must be there and is not is corruption, with table and key."""
    with pytest.raises(BundleCorruptError, match=r"values\.mdb: one: record 7a is missing$"):
        TableReader(sealed, RECORDS, viewed="one").view(b"z", number=3)


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    """The digest of the file depends on the records only."""
    (tmp_path / "again").mkdir()
    one, other = write(tmp_path / "values.mdb"), write(tmp_path / "again" / "values.mdb")
    assert one.read_bytes() == other.read_bytes()


def test_the_digest_of_records_sums_up_all_of_them(sealed: Path) -> None:
    """The sha256 of every record's crc32, tables by name, records by key: as on disk."""
    pairs = [(key, payload) for table in sorted(RECORDS) for key, payload in sorted(RECORDS[table].items())]
    checksums = b"".join(zlib.crc32(key + payload).to_bytes(4, "little") for key, payload in pairs)
    assert records_sha256(sealed) == sha256(checksums).hexdigest()
    assert TableReader(sealed, RECORDS).records_sha256 == sha256(checksums).hexdigest()


def test_another_record_gives_another_digest(tmp_path: Path) -> None:
    """A good file of other records is told from the one that was written."""
    for name, payload in (("a", b"first"), ("b", b"other")):
        write(tmp_path / name, {"one": {b"k": payload}})
    assert records_sha256(tmp_path / "a") != records_sha256(tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "kind"), [(None, StorageError), (b"", BundleCorruptError), (b"x", BundleCorruptError)]
)
def test_the_digest_of_a_file_that_is_none_is_refused(
    tmp_path: Path, content: bytes | None, kind: type[Exception]
) -> None:
    """Missing, empty, of another kind; with the path."""
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(kind, match=f"^{tmp_path / 'a'}: "):
        records_sha256(tmp_path / "a")


def test_finish_deletes_the_scratch_file(sealed: Path) -> None:
    """Only the sealed file is left."""
    assert [path.name for path in sealed.parent.iterdir()] == ["values.mdb"]


def test_finish_never_overwrites(tmp_path: Path) -> None:
    """A file that a reader may have mapped is never written."""
    (tmp_path / "values.mdb").write_bytes(b"live")
    with pytest.raises(StorageError, match=f"scratch: {'File exists'}"):
        write(tmp_path / "values.mdb")
    assert (tmp_path / "values.mdb").read_bytes() == b"live"


def test_many_records_are_committed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit between two records loses none of them."""
    monkeypatch.setattr(lmdb_values, "_COMMIT_EVERY", 3)
    records = {"one": {bytes((i,)): bytes((i, i)) for i in range(10)}}
    reader = TableReader(write(tmp_path / "values.mdb", records), records)
    assert {key: reader.get("one", key) for key in records["one"]} == records["one"]


@pytest.mark.parametrize("key", [b"a", b"b"])
def test_a_key_that_is_not_above_the_last_one_is_refused(tmp_path: Path, key: bytes) -> None:
    """Falling keys, and one twice, are the caller's mistake; the key is named."""
    writer = TableWriter(tmp_path / "scratch", ["one"])
    writer.put("one", b"b", b"payload")
    with pytest.raises(ValueError, match=f"^one: key {key.hex()} "):
        writer.put("one", key, b"payload")
    writer.close()


def test_many_records_at_once_are_what_they_are_one_by_one(tmp_path: Path) -> None:
    """Also more of them than are written in one go, and some before them."""
    records = [(number.to_bytes(4, "big"), b"payload %d" % number) for number in range(60_000)]
    for name, n_single in (("single", 60_000), ("many", 3)):
        writer = TableWriter(tmp_path / "scratch", ["one"])
        for key, payload in records[:n_single]:
            writer.put("one", key, payload)
        writer.put_all("one", iter(records[n_single:]))
        writer.finish(tmp_path / name)
    single, many = (TableReader(tmp_path / name, ["one"]) for name in ("single", "many"))
    assert many.items("one") == records
    assert many.records_sha256 == single.records_sha256


@pytest.mark.parametrize("keys", [b"ba", b"cb", b"cc"])
def test_of_many_records_too_keys_must_rise(tmp_path: Path, keys: bytes) -> None:
    """Above those that are there, and each above the one before it."""
    writer = TableWriter(tmp_path / "scratch", ["one"])
    writer.put("one", b"b", b"payload")
    with pytest.raises(ValueError, match=r"^one: keys twice or out of order$"):
        writer.put_all("one", [(bytes([key]), b"payload") for key in keys])
    writer.close()


def test_what_makes_the_records_may_fail(tmp_path: Path) -> None:
    """Its error comes through as it is."""
    writer = TableWriter(tmp_path / "scratch", ["one"])
    with pytest.raises(ZeroDivisionError):
        writer.put_all("one", ((b"a", bytes(1 // n)) for n in (1, 0)))
    writer.close()


def test_keys_rise_within_a_table_only(tmp_path: Path) -> None:
    """Tables may be filled side by side."""
    writer = TableWriter(tmp_path / "scratch", ["one", "other"])
    writer.put("one", b"b", b"1")
    writer.put("other", b"a", b"2")
    writer.finish(tmp_path / "values.mdb")
    assert TableReader(tmp_path / "values.mdb", ["other"]).count("other") == 1


def test_a_writer_can_be_closed_twice(tmp_path: Path) -> None:
    """Closing after finish, or again, changes nothing."""
    writer = TableWriter(tmp_path / "scratch", ["one"])
    writer.close()
    writer.close()


def test_a_folder_that_is_missing_is_a_storage_error(tmp_path: Path) -> None:
    """The system's refusal comes with the path."""
    with pytest.raises(StorageError, match=f"^{tmp_path / 'none' / 'scratch'}: .*No such file or directory"):
        TableWriter(tmp_path / "none" / "scratch", ["one"])


def test_a_full_disk_is_a_storage_error_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LMDB's own "map full" is told as what it means for a person."""
    monkeypatch.setattr(lmdb_values, "_MAP_SIZE_BYTES", 1 << 16)
    writer = TableWriter(tmp_path / "scratch", ["one"])
    with pytest.raises(StorageError, match="free some space and run the command again") as caught:
        writer.put("one", b"a", bytes(1 << 20))
    writer.close()
    assert caught.value.errno == errno.ENOSPC


def test_a_damaged_payload_fails_its_checksum(sealed: Path) -> None:
    """A byte that went bad is an error and never an answer, however it is read, and read again."""
    damage(sealed, b"first answer", b"First answer")
    reader = TableReader(sealed, RECORDS, viewed="one")
    reads: list[Callable[[], object]] = [
        lambda: reader.get("one", b"a"),
        lambda: reader.get_all(("one", b"a")),
        lambda: reader.view(b"a", number=0),
        lambda: reader.view(b"a", number=0),
    ]
    for read in reads:
        with pytest.raises(BundleCorruptError, match=r"values\.mdb: one: record 61 fails its checksum$"):
            read()


def test_a_payload_that_goes_bad_after_it_was_viewed_fails_its_checksum(sealed: Path) -> None:
    """A place that is remembered is checked again each time."""
    reader = TableReader(sealed, RECORDS, viewed="one")
    reader.view(b"a", number=0)
    place = sealed.read_bytes().index(b"first answer")
    with sealed.open("r+b") as file:
        file.seek(place)
        file.write(b"F")
    with pytest.raises(BundleCorruptError, match="fails its checksum"):
        reader.view(b"a", number=0)


def test_a_damaged_record_leaves_the_others_readable(sealed: Path) -> None:
    """Each record has its own checksum."""
    damage(sealed, b"first answer", b"First answer")
    assert TableReader(sealed, RECORDS).get("other", b"a") == b"the same key in another table"


def test_the_checksum_covers_the_key(tmp_path: Path) -> None:
    """A good record under another key is not the record of that key."""
    path = write(tmp_path / "values.mdb", {"one": {b"key-1": b"payload"}})
    damage(path, b"key-1", b"key-2")
    with pytest.raises(BundleCorruptError, match="fails its checksum"):
        TableReader(path, ["one"]).get("one", b"key-2")


def test_a_file_without_the_table_is_corrupt(sealed: Path) -> None:
    """A table that was never written is told at open."""
    with pytest.raises(BundleCorruptError, match=r"values\.mdb: LMDB: "):
        TableReader(sealed, ["one", "none"])


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"not LMDB at all" * 1000, "LMDB: ")])
def test_a_file_of_another_kind_is_corrupt(tmp_path: Path, content: bytes, reason: str) -> None:
    """Bytes that LMDB did not write are refused at open."""
    (tmp_path / "values.mdb").write_bytes(content)
    with pytest.raises(BundleCorruptError, match=rf"values\.mdb: {reason}"):
        TableReader(tmp_path / "values.mdb", ["one"])


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    """With the path and what the system says."""
    with pytest.raises(StorageError, match=r"values\.mdb: No such file or directory$"):
        TableReader(tmp_path / "values.mdb", ["one"])


def test_one_process_may_open_a_file_twice(sealed: Path) -> None:
    """LMDB allows one open a file and process: readers share it."""
    one, other = TableReader(sealed, RECORDS), TableReader(sealed, RECORDS)
    assert (one.get("one", b"a"), other.get("one", b"a")) == (b"first answer", b"first answer")


def test_a_reader_serves_on_after_another_of_the_same_file_is_gone(sealed: Path) -> None:
    """The environment is closed with the last reader, not with the first."""
    one, other = TableReader(sealed, RECORDS), TableReader(sealed, RECORDS)
    del one
    gc.collect()
    assert other.get("one", b"a") == b"first answer"


def test_the_last_reader_closes_the_environment(sealed: Path) -> None:
    """Nothing is left open for a file that nobody reads, also where opening failed half-way."""
    one, other = TableReader(sealed, RECORDS), TableReader(sealed, RECORDS)
    status = sealed.stat()
    assert (status.st_dev, status.st_ino) in lmdb_values._registry
    with pytest.raises(BundleCorruptError):
        TableReader(sealed, ["none"])
    del one, other
    gc.collect()
    assert (status.st_dev, status.st_ino) not in lmdb_values._registry


def test_another_name_of_the_same_file_shares_its_environment(sealed: Path) -> None:
    """What counts is the file, not the path it was opened by."""
    link = sealed.with_name("link.mdb")
    link.hardlink_to(sealed)
    one, other = TableReader(sealed, RECORDS), TableReader(link, RECORDS)
    assert one.get("one", b"a") == other.get("one", b"a")


def test_a_sound_file_verifies_without_a_problem(sealed: Path) -> None:
    """Every page is in order."""
    assert verify_file(sealed) == []


@pytest.mark.parametrize("content", [b"", b"not LMDB at all" * 1000])
def test_a_foreign_file_verifies_with_a_problem(tmp_path: Path, content: bytes) -> None:
    """It is listed, never raised."""
    (tmp_path / "values.mdb").write_bytes(content)
    assert len(verify_file(tmp_path / "values.mdb")) == 1


def test_a_file_cut_short_verifies_with_a_problem(sealed: Path) -> None:
    """Pages that are gone are found without trusting the ones that are left."""
    sealed.write_bytes(sealed.read_bytes()[:20_000])
    assert verify_file(sealed) != []
