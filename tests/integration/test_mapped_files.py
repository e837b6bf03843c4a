"""What is mapped is used in place: values are views of the file, and processes share its pages."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import mapping_programs
import numpy as np
import pytest
from running import command_of
from shared import HASHING, write_corpus

from semcache import BuildConfig, BuildReport, Cache, Hit, build_bundle
from semcache.config import IndexChoice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SIZES = (1, 100, 5_000, 300_000)
N_ROWS = 20_000


def answer_of(n_chars: int) -> str:
    """Give an answer of a length."""
    return ("0123456789" * (n_chars // 10 + 1))[:n_chars]


SIZED: list[dict[str, Any]] = [
    {"id": f"n{size}", "query": f"an answer of {size} letters", "answer": answer_of(size)} for size in SIZES
]


def mappings_of(path: Path) -> list[tuple[int, int]]:
    """Give the address ranges at which this process has a file mapped."""
    lines = Path("/proc/self/maps").read_text("utf-8").splitlines()
    ranges = [line.split(maxsplit=5) for line in lines if line.endswith(f" {path.resolve()}")]
    return [(int(start, 16), int(end, 16)) for start, end in (fields[0].split("-") for fields in ranges)]


def address_of(view: memoryview) -> int:
    """Give the address of the first byte of a view."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address


def is_inside(path: Path, address: int, n_bytes: int) -> bool:
    """Say whether bytes lie in a mapping of a file."""
    return any(start <= address and address + n_bytes <= end for start, end in mappings_of(path))


def hit(cache: Cache, text: str) -> Hit:
    """Look up a text that must hit."""
    result = cache.lookup(text)
    assert isinstance(result, Hit), result
    return result


@pytest.fixture
def sized(build: Callable[..., BuildReport]) -> Iterator[tuple[Cache, Path]]:
    """Give an open bundle with answers of several sizes, and its values.mdb."""
    report = build(SIZED, name="sized")
    with Cache.open(report.path) as cache:
        yield cache, report.path / "values.mdb"


@pytest.mark.parametrize("size", SIZES)
def test_a_raw_value_is_a_view_of_the_mapped_file(sized: tuple[Cache, Path], size: int) -> None:
    """The bytes of an answer stay where the file is mapped, whatever their number; nothing is copied."""
    cache, path = sized
    value = hit(cache, f"an answer of {size} letters").value
    assert is_inside(path, address_of(value), size)


def test_the_same_value_twice_is_the_same_bytes(sized: tuple[Cache, Path]) -> None:
    """Two hits on one answer are two views of one place."""
    cache, _ = sized
    first, second = (hit(cache, "an answer of 5000 letters").value for _ in range(2))
    assert address_of(first) == address_of(second)


def test_the_value_of_a_semantic_hit_is_a_view_too(bundle_dir: Path) -> None:
    """How an entry was found does not change how its answer is given."""
    with Cache.open(bundle_dir) as cache:
        found = hit(cache, "now add login page")
        path = cache.info.path / "values.mdb"
        assert (found.kind, is_inside(path, address_of(found.value), 52)) == ("semantic", True)


@pytest.mark.parametrize("size", SIZES)
def test_a_raw_value_has_the_bytes_of_the_corpus(sized: tuple[Cache, Path], size: int) -> None:
    """What is served is what was written, to the byte and the length."""
    cache, _ = sized
    assert bytes(hit(cache, f"an answer of {size} letters").value) == answer_of(size).encode()


def test_a_value_is_read_only(sized: tuple[Cache, Path]) -> None:
    """No caller can change what others are served."""
    value = hit(sized[0], "an answer of 100 letters").value
    with pytest.raises(TypeError):
        value[0] = 0


def test_a_compressed_value_has_the_bytes_of_the_corpus(build: Callable[..., BuildReport]) -> None:
    """With compress=True each answer comes back whole; where its bytes live is not promised."""
    entries: list[dict[str, Any]] = [
        {"id": f"e{i}", "query": f"compressed question {i}", "answer": f"The answer to question {i} is long. " * 40}
        for i in range(64)
    ]
    config = BuildConfig(model="hashing", compress=True)
    with Cache.open(build(entries, name="packed", config=config).path) as cache:
        found = [hit(cache, f"compressed question {i}").text for i in range(64)]
        size_bytes = (cache.info.path / "values.mdb").stat().st_size
    assert found == [entry["answer"] for entry in entries]
    assert size_bytes < 64 * 40 * 37  # the answers alone, raw


def test_a_compressed_value_is_read_only(build: Callable[..., BuildReport]) -> None:
    """A value that was unpacked cannot be written to either."""
    entries = [{"id": "a", "query": "one question", "answer": "yes " * 500}]
    with Cache.open(build(entries, config=BuildConfig(model="hashing", compress=True)).path) as cache:
        assert hit(cache, "one question").value.readonly


def codes_of(index: Any, kind: str) -> int:
    """Give the address at which FAISS keeps some of the codes of an index."""
    rows = {"flat": lambda: index, "ivf": lambda: index.refine_index, "hnsw": lambda: index.storage}[kind]()
    pointer = faiss.downcast_index(rows).codes.data()
    return address_of(faiss.rev_swig_ptr(pointer, 128).data)


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_the_codes_of_the_index_are_searched_where_the_file_is_mapped(
    build: Callable[..., BuildReport], kind: IndexChoice
) -> None:
    """FAISS works on the mapped file and holds no copy of the vectors."""
    entries = [{"id": str(i), "query": f"question {i} of some", "answer": str(i)} for i in range(300)]
    config = BuildConfig(model="hashing", index=kind)
    with Cache.open(build(entries, config=config).path) as cache:
        address = codes_of(cache._current().reader.index._index, kind)
        assert is_inside(cache.info.path / "index.faiss", address, 128)


@pytest.fixture(scope="module")
def two_readers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Let two processes open one bundle of 20,000 rows and look up; give what each says of its memory."""
    folder = tmp_path_factory.mktemp("shared")
    source = random.Random(20)
    words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(2000)]
    entries = [
        {"id": str(i), "query": f"question number {i}", "answer": " ".join(source.choices(words, k=12))}
        for i in range(N_ROWS)
    ]
    corpus = write_corpus(folder / "many.jsonl", entries)
    config = replace(HASHING, adapter=False, outside_share=0.0)  # nothing to certify: what is mapped is the same
    report = build_bundle([corpus], name="many", root=folder, config=config)
    command = command_of(mapping_programs.read_and_report, report.path, str(N_ROWS))
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = []
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert json.loads(reader.stdout.readline()) == {"n_hits": 541, "n": 541}
        for reader in readers:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write("report\n")
            reader.stdin.flush()
            found.append(json.loads(reader.stdout.readline()))
    finally:
        for reader in readers:
            reader.communicate(timeout=60)
    return found


@pytest.mark.parametrize("reader", [0, 1])
@pytest.mark.parametrize("name", ["index.faiss", "values.mdb"])
def test_pages_of_a_bundle_are_never_copied_into_a_process(
    two_readers: list[dict[str, Any]], name: str, reader: int
) -> None:
    """Looking up writes to no page of the mapped files, so none becomes a process's own."""
    found = two_readers[reader][name]
    assert (found["Private_Dirty"], found["Anonymous"]) == (0, 0)


@pytest.mark.parametrize("reader", [0, 1])
@pytest.mark.parametrize("name", ["index.faiss", "values.mdb"])
def test_two_processes_share_the_pages_of_a_bundle(two_readers: list[dict[str, Any]], name: str, reader: int) -> None:
    """With two readers of one bundle, the pages that only one of them has are next to none."""
    found = two_readers[reader][name]
    assert found["Rss"] > 2_000
    assert found["Private_Clean"] <= 64
