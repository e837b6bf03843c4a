from __future__ import annotations

import errno
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from semcache.core.vectors import FloatRows, unit_rows
from semcache.errors import BundleCorruptError, StorageError
from semcache.store.faiss_index import (
    IndexKind,
    MappedIndex,
    SearchFilter,
    build_index,
    efforts,
    exact_neighbours,
    frame_of,
    n_lists_for,
    n_parts_for,
    search_built,
    write_index,
)

KINDS: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")
N_ROWS, DIM = 300, 16


@pytest.fixture(scope="module")
def vectors() -> FloatRows:
    """Give 300 unit rows of 16."""
    return unit_rows(np.random.default_rng(0).standard_normal((N_ROWS, DIM), dtype=np.float32))


@pytest.fixture(scope="module")
def built(vectors: FloatRows) -> dict[IndexKind, Any]:
    """Give an index of each kind over the vectors."""
    return {kind: build_index(vectors, kind=kind, seed=0) for kind in KINDS}


def mapped(built: dict[IndexKind, Any], kind: IndexKind, path: Path, *, prefault_pages: bool = False) -> MappedIndex:
    """Write an index and map it, searching with the most effort."""
    write_index(built[kind], path)
    effort = efforts(built[kind])[-1]
    return MappedIndex(path, frame_sha256=frame_of(path)[1], effort=effort, prefault_pages=prefault_pages)


def forged(path: Path, raw: bytes | bytearray) -> str:
    """Write what FAISS would read with a checksum that fits, as a hostile writer can; give its digest."""
    path.write_bytes(bytes(raw) + zlib.crc32(raw).to_bytes(4, "little"))
    return frame_of(path)[1]


def only(*rows: int) -> SearchFilter:
    """Give the filter that lets some of the rows pass."""
    mask = np.zeros(N_ROWS, dtype=bool)
    mask[list(rows)] = True
    return SearchFilter(np.packbits(mask, bitorder="little"), len(rows))


@pytest.mark.parametrize("prefault_pages", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_finds_itself_in_the_mapped_file(
    built: dict[IndexKind, Any],
    vectors: FloatRows,
    tmp_path: Path,
    kind: IndexKind,
    prefault_pages: bool,  # noqa: FBT001 - the parameter under test
) -> None:
    """Row i has label i and scores 1 with itself, as far as float16 tells."""
    scores, rows = mapped(built, kind, tmp_path / "i", prefault_pages=prefault_pages).search(vectors, 1)
    assert rows[:, 0].tolist() == list(range(N_ROWS))
    assert np.abs(scores - 1).max() < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapped_index_says_what_it_holds(built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind) -> None:
    """Kind, length and number come from the file."""
    index = mapped(built, kind, tmp_path / "i")
    assert (index.frame.kind, index.dim, index.n_rows) == (kind, 16, 300)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_cosines_best_first(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """The score of each row is the inner product with it."""
    scores, rows = mapped(built, kind, tmp_path / "i").search(vectors[:1], 20)
    assert np.abs(scores[0] - vectors[rows[0]] @ vectors[0]).max() < 2e-3
    assert scores[0].tolist() == sorted(scores[0].tolist(), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mapped_index_finds_what_the_built_one_finds(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """Recall is measured before the file is written and holds after it."""
    found = mapped(built, kind, tmp_path / "i").search(vectors[:50], 5)[1]
    assert found.tolist() == search_built(built[kind], vectors[:50], k=5, effort=efforts(built[kind])[-1]).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_lets_only_its_rows_through(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """It works during the search: as many rows as were asked for, all of them allowed, none better left out."""
    allowed = list(range(0, N_ROWS, 7))
    rows = mapped(built, kind, tmp_path / "i").search(vectors[:20], 10, within=only(*allowed))[1]
    wanted = exact_neighbours(vectors[allowed], vectors[:20], k=10)[1] * 7
    assert np.sort(rows).tolist() == np.sort(wanted).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rare_filter_is_searched_with_more_effort(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """An effort that suffices for all rows finds every one of a few, wherever they are in the index."""
    path = tmp_path / "i"
    write_index(built[kind], path)
    effort = efforts(built[kind])[0]
    index = MappedIndex(path, frame_sha256=frame_of(path)[1], effort=effort, prefault_pages=False)
    allowed = list(range(0, N_ROWS, 30))
    rows = index.search(vectors[:20], 10, within=only(*allowed))[1]
    assert np.sort(rows).tolist() == [allowed] * 20


@pytest.mark.parametrize("n_allowed", [128, 250])
@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_whose_rows_lie_far_away_gives_as_many_as_asked(
    tmp_path: Path, kind: IndexKind, n_allowed: int
) -> None:
    """The nearest part of the index holds none of them: the search goes on, with the least effort too."""
    groups = np.repeat(np.eye(2, DIM, dtype=np.float32), 250, axis=0)
    noise = np.random.default_rng(0).standard_normal(groups.shape, dtype=np.float32)
    near_and_far = unit_rows(groups + 0.05 * noise)
    built = build_index(near_and_far, kind=kind, seed=0)
    write_index(built, tmp_path / "i")
    digest = frame_of(tmp_path / "i")[1]
    index = MappedIndex(tmp_path / "i", frame_sha256=digest, effort=efforts(built)[0], prefault_pages=False)
    mask = np.zeros(500, dtype=bool)
    mask[250 : 250 + n_allowed] = True
    within = SearchFilter(np.packbits(mask, bitorder="little"), n_allowed)
    rows = index.search(near_and_far[:5], 20, within=within)[1]
    assert mask[rows].all()
    assert rows.min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_of_few_rows_gives_all_of_them(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """The rest is -1: there are no more."""
    rows = mapped(built, kind, tmp_path / "i").search(vectors[:1], 5, within=only(3, 8, 299))[1][0].tolist()
    assert (sorted(rows[:3]), rows[3:]) == ([3, 8, 299], [-1, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_that_lets_nothing_through_finds_nothing(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """No row is better than a row that was not allowed."""
    assert mapped(built, kind, tmp_path / "i").search(vectors[:1], 3, within=only())[1].tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_is_gone_with_its_search(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """The next search sees every row again."""
    index = mapped(built, kind, tmp_path / "i")
    index.search(vectors[:1], 1, within=only(5))
    assert index.search(vectors[:1], 1)[1].tolist() == [[0]]


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_more_rows_than_there_are_gives_all_of_them(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """Each row once, then -1."""
    rows = mapped(built, kind, tmp_path / "i").search(vectors[:1], N_ROWS + 5)[1][0].tolist()
    assert (sorted(rows[:N_ROWS]), rows[N_ROWS:]) == (list(range(N_ROWS)), [-1] * 5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_query_finds_nothing(built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind) -> None:
    """A batch in which no text could be embedded is a batch of none."""
    scores, rows = mapped(built, kind, tmp_path / "i").search(np.zeros((0, DIM), dtype=np.float32), 3)
    assert (scores.shape, rows.shape) == ((0, 3), (0, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_its_rows(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """As float16, in the order of their numbers; they are what travels."""
    rows = mapped(built, kind, tmp_path / "i").float16_rows(3, 7)
    assert (rows == vectors[3:7].astype(np.float16)).all()


def test_a_mapped_index_can_only_be_searched(built: dict[IndexKind, Any], tmp_path: Path) -> None:
    """FAISS ends the process when a mapped index is added to or removed from, so neither can be reached."""
    public = {name for name in dir(mapped(built, "flat", tmp_path / "i")) if not name.startswith("_")}
    assert public == {"dim", "float16_rows", "frame", "n_rows", "search"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_leaves_the_number_of_threads_alone(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """A lookup keeps to one core, and the program's own use of FAISS is as before."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        mapped(built, kind, tmp_path / "i").search(vectors[:1], 1)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_file(vectors: FloatRows, tmp_path: Path, kind: IndexKind) -> None:
    """The same corpus gives the same bundle."""
    for name in ("one", "other"):
        write_index(build_index(vectors, kind=kind, seed=0), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_another_seed_gives_other_lists(vectors: FloatRows, tmp_path: Path) -> None:
    """The seed reaches k-means."""
    for seed in (0, 1):
        write_index(build_index(vectors, kind="ivf", seed=seed), tmp_path / str(seed))
    assert (tmp_path / "0").read_bytes() != (tmp_path / "1").read_bytes()


def test_rows_are_added_in_runs_without_a_seam(
    vectors: FloatRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels go on counting from run to run."""
    write_index(build_index(vectors, kind="flat", seed=0), tmp_path / "one")
    monkeypatch.setattr("semcache.store.faiss_index._ADD_ROWS", 7)
    write_index(build_index(vectors, kind="flat", seed=0), tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("n_rows", "n_lists"),
    [(1, 1), (16, 1), (31, 1), (32, 2), (256, 16), (1_000, 32), (10_000, 128), (100_000, 256), (1_000_000, 1024)],
)
def test_lists_are_a_power_of_two_that_suits_the_size(n_rows: int, n_lists: int) -> None:
    """Near the root, with sixteen rows a list or more."""
    assert n_lists_for(n_rows) == n_lists


def test_efforts_rise_to_the_most_the_index_can_do(built: dict[IndexKind, Any]) -> None:
    """All lists of an inverted index, then all candidates; a fixed ladder for a graph; none for an exact one."""
    lists = [*range(1, 17), 32, 48]
    assert [efforts(built[kind]) for kind in KINDS] == [[0], lists, [16, 32, 64, 128, 256, 512]]


def test_exact_neighbours_are_the_best_by_inner_product() -> None:
    """Scores and labels, best first."""
    rows = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    scores, labels = exact_neighbours(rows, np.array([[0.6, 0.8]], dtype=np.float32), k=3)
    assert labels.tolist() == [[1, 0, 2]]
    assert np.allclose(scores, [[0.8, 0.6, -0.6]])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_ends_with_its_checksum(built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind) -> None:
    """Of everything that FAISS wrote before it, as on disk."""
    write_index(built[kind], tmp_path / "i")
    faiss.write_index(built[kind], str(tmp_path / "plain"))
    plain = (tmp_path / "plain").read_bytes()
    assert (tmp_path / "i").read_bytes() == plain + zlib.crc32(plain).to_bytes(4, "little")


@pytest.mark.parametrize("kind", KINDS)
def test_frame_of_gives_the_digest_of_frame_and_checksum(
    built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind
) -> None:
    """The part that FAISS parses, and the four bytes that vouch for the rest."""
    write_index(built[kind], tmp_path / "i")
    frame, digest = frame_of(tmp_path / "i")
    raw = (tmp_path / "i").read_bytes()
    assert digest == sha256(raw[: frame.frame_bytes] + raw[-4:]).hexdigest()


@pytest.mark.parametrize("place", [16, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_that_is_not_the_one_written_is_corrupt(
    built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind, place: int
) -> None:
    """A dummy field that nothing else checks, and the checksum itself, are caught by the digest."""
    path = tmp_path / "i"
    write_index(built[kind], path)
    digest = frame_of(path)[1]
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BundleCorruptError, match=r"its frame is not the one that was written"):
        MappedIndex(path, frame_sha256=digest, effort=1, prefault_pages=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_of_a_code_is_found_before_the_first_search(
    built: dict[IndexKind, Any], vectors: FloatRows, tmp_path: Path, kind: IndexKind
) -> None:
    """When they are first needed, and again each time; whether or not pages were brought in at open."""
    path = tmp_path / "i"
    write_index(built[kind], path)
    digest = frame_of(path)[1]
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    effort = efforts(built[kind])[-1]
    for prefault_pages in (True, False):
        index = MappedIndex(path, frame_sha256=digest, effort=effort, prefault_pages=prefault_pages)
        for _ in range(2):
            with pytest.raises(BundleCorruptError, match=f"^{path}: its codes are not the ones that were written"):
                index.search(vectors[:1], 1)


@pytest.mark.parametrize(
    ("kind", "effort"), [("flat", 1), ("flat", -1), ("ivf", 0), ("ivf", 49), ("hnsw", 0), ("hnsw", 65_537)]
)
def test_an_effort_that_is_not_one_for_the_index_is_corrupt(
    built: dict[IndexKind, Any], tmp_path: Path, kind: IndexKind, effort: int
) -> None:
    """A manifest can ask for no more than the index can do, and for no less than finds anything."""
    write_index(built[kind], tmp_path / "i")
    digest = frame_of(tmp_path / "i")[1]
    with pytest.raises(BundleCorruptError, match=f"{kind} index with effort {effort} in the manifest, allowed"):
        MappedIndex(tmp_path / "i", frame_sha256=digest, effort=effort, prefault_pages=False)


@pytest.mark.parametrize("content", [b"", b"I", b"IxSQ", b"not an index" * 100])
def test_a_file_of_another_kind_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """FAISS never sees it; the error names it."""
    path = tmp_path / "i"
    path.write_bytes(content)
    with pytest.raises(BundleCorruptError, match=f"^{path}: "):
        MappedIndex(path, frame_sha256=sha256(content).hexdigest(), effort=1, prefault_pages=False)
    with pytest.raises(BundleCorruptError, match=f"^{path}: "):
        frame_of(path)


def test_what_only_faiss_finds_wrong_is_corrupt(built: dict[IndexKind, Any], tmp_path: Path) -> None:
    """A link to a row that does not exist: FAISS's own error does not leave the file."""
    path = tmp_path / "i"
    write_index(built["hnsw"], path)
    raw = bytearray(path.read_bytes()[:-4])
    first_link = 4 + 33 + 8 + 6 * 8 + 8 + 7 * 4 + 8 + N_ROWS * 4 + 8 + (N_ROWS + 1) * 8 + 8
    raw[first_link : first_link + 4] = (10**6).to_bytes(4, "little")
    with pytest.raises(BundleCorruptError, match=f"^{path}: FAISS: "):
        MappedIndex(path, frame_sha256=forged(path, raw), effort=16, prefault_pages=False)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    """With the path and what the system says."""
    with pytest.raises(StorageError, match=f"^{tmp_path / 'i'}: No such file or directory"):
        MappedIndex(tmp_path / "i", frame_sha256="", effort=1, prefault_pages=False)


def test_a_place_that_cannot_be_written_is_a_storage_error(built: dict[IndexKind, Any], tmp_path: Path) -> None:
    """With the path and what the system says."""
    with pytest.raises(StorageError, match=f"^{tmp_path / 'none' / 'i'}: No such file or directory"):
        write_index(built["flat"], tmp_path / "none" / "i")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_a_storage_error(built: dict[IndexKind, Any], kind: IndexKind) -> None:
    """Also where it fills up with the last block, which FAISS itself overlooks."""
    with pytest.raises(StorageError, match=r"^/dev/full: .*free some space") as caught:
        write_index(built[kind], Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC


def with_codes(vectors: FloatRows, kind: IndexKind, path: Path, code: int) -> MappedIndex:
    """Map a forged index whose codes are all one float16."""
    few = vectors[:31]
    index = build_index(few, kind=kind, seed=0)
    write_index(index, path)
    raw = bytearray(path.read_bytes()[:-4])
    end = len(raw) - (4 if kind == "ivf" else 0)  # what FAISS would refine by default
    raw[end - 2 * few.size : end] = code.to_bytes(2, "little") * few.size
    return MappedIndex(path, frame_sha256=forged(path, raw), effort=efforts(index)[-1], prefault_pages=False)


@pytest.mark.parametrize("code", [0x7C00, 0x5000, 0x3600])
@pytest.mark.parametrize("kind", KINDS)
def test_a_score_that_cannot_be_is_corrupt(vectors: FloatRows, tmp_path: Path, kind: IndexKind, code: int) -> None:
    """A code that no writer gives (infinite, large, or a little too large) is told when it is met, never served."""
    with pytest.raises(BundleCorruptError, match="a code is not the one that was written"):
        with_codes(vectors, kind, tmp_path / "i", code).search(np.abs(vectors[:1]), 3)


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_a_code_that_is_not_a_number_is_never_found(vectors: FloatRows, tmp_path: Path, kind: IndexKind) -> None:
    """It is near to nothing: the row is missing from the result."""
    found = with_codes(vectors, kind, tmp_path / "i", 0x7E00).search(vectors[:1], 3)[1]
    assert found.tolist() == [[-1, -1, -1]]


def test_a_candidate_without_a_score_is_corrupt(vectors: FloatRows, tmp_path: Path) -> None:
    """The first pass finds the row, and its float16 code is not a number."""
    with pytest.raises(BundleCorruptError, match="a code is not the one that was written"):
        with_codes(vectors, "ivf", tmp_path / "i", 0x7E00).search(vectors[:1], 3)


@pytest.mark.parametrize("label", [30, 31, 2**31, 2**63, 2**64 - 1])
def test_a_label_that_cannot_be_is_corrupt(vectors: FloatRows, tmp_path: Path, label: int) -> None:
    """FAISS would follow it into the float16 rows, or beyond them: it never sees the file."""
    path = tmp_path / "i"
    write_index(build_index(vectors[:31], kind="ivf", seed=0), path)
    frame_bytes = frame_of(path)[0].frame_bytes
    raw = bytearray(path.read_bytes())
    raw[frame_bytes + 8 : frame_bytes + 16] = label.to_bytes(8, "little")
    path.write_bytes(raw)
    with pytest.raises(BundleCorruptError, match="row 0 is in no list"):
        MappedIndex(path, frame_sha256="", effort=1, prefault_pages=False)


def clustered(n_rows: int, dim: int, *, seed: int = 0) -> FloatRows:
    """Give unit rows in groups, as texts that say nearly the same have them."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_rows // 10, dim), dtype=np.float32)
    return unit_rows(np.repeat(centres, 10, axis=0) + 0.6 * rng.standard_normal((n_rows, dim), dtype=np.float32))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[FloatRows, MappedIndex]:
    """Give 5,000 rows of 64 and an inverted index over them, searched with half of its lists."""
    rows = clustered(5000, 64)
    path = tmp_path_factory.mktemp("large") / "i"
    write_index(build_index(rows, kind="ivf", seed=0), path)
    return rows, MappedIndex(path, frame_sha256=frame_of(path)[1], effort=32, prefault_pages=False)


@pytest.mark.parametrize("k", [1, 10, 64, 300])
def test_the_best_rows_come_first_whatever_is_asked_for(large: tuple[FloatRows, MappedIndex], k: int) -> None:
    """Product codes are rough, but enough candidates are compared for the nearest rows not to be lost among them."""
    rows, index = large
    queries = unit_rows(rows[:200] + 0.1 * clustered(200, 64, seed=1))
    found = index.search(queries, k)[1][:, : min(k, 10)]
    exact = exact_neighbours(rows, queries, k=min(k, 10))[1]
    share = np.mean([len(set(one) & set(other)) / len(one) for one, other in zip(found, exact, strict=True)])
    assert share >= 0.97


def test_refined_scores_are_cosines_best_first(large: tuple[FloatRows, MappedIndex]) -> None:
    """A score is that of the float16 row, not of its product code."""
    rows, index = large
    scores, found = index.search(rows[:50], 64)
    assert np.abs(scores - np.einsum("qkd,qd->qk", rows[found], rows[:50])).max() < 2e-3
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("n_allowed", [1, 10, 1999, 2001, 4999])
def test_a_filter_of_any_size_finds_the_best_of_its_rows(large: tuple[FloatRows, MappedIndex], n_allowed: int) -> None:
    """Few are compared one by one, many are searched with more effort."""
    rows, index = large
    allowed = np.sort(np.random.default_rng(2).permutation(5000)[:n_allowed])
    mask = np.zeros(5000, dtype=bool)
    mask[allowed] = True
    within = SearchFilter(np.packbits(mask, bitorder="little"), n_allowed)
    k = min(n_allowed, 10)
    found = index.search(rows[:100], 64, within=within)[1]
    assert mask[found[found >= 0]].all()
    exact = allowed[exact_neighbours(rows[allowed], rows[:100], k=k)[1]]
    share = np.mean([len(set(one) & set(other)) / k for one, other in zip(found[:, :k], exact, strict=True)])
    assert share >= 0.95


def test_rows_that_product_codes_cannot_tell_apart_need_more_candidates(tmp_path: Path) -> None:
    """Near-twins: all lists do not find them, all lists and more candidates do, and the last effort finds all."""
    rng = np.random.default_rng(0)
    rows = unit_rows(np.ones((2000, 32), dtype=np.float32) + 0.3 * rng.standard_normal((2000, 32), dtype=np.float32))
    index = build_index(rows, kind="ivf", seed=0)
    exact = exact_neighbours(rows, rows[:100], k=10)[1]
    n_lists, most = n_lists_for(2000), efforts(index)[-1]
    shares = {}
    write_index(index, tmp_path / "i")
    for effort in (n_lists, 4 * n_lists, most):
        found = search_built(index, rows[:100], k=10, effort=effort)
        shares[effort] = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(found, exact, strict=True)])
        digest = frame_of(tmp_path / "i")[1]
        mapped_index = MappedIndex(tmp_path / "i", frame_sha256=digest, effort=effort, prefault_pages=False)
        assert mapped_index.search(rows[:100], 10)[1].tolist() == found.tolist()
    assert most == n_lists * 16
    assert shares[n_lists] < shares[4 * n_lists] < shares[most]
    assert shares[most] >= 0.98


def test_searches_for_other_numbers_of_rows_do_not_disturb_each_other(large: tuple[FloatRows, MappedIndex]) -> None:
    """What one k was prepared for is not used for another."""
    rows, index = large
    alone = {k: index.search(rows[:20], k)[1].tolist() for k in (1, 5, 64, 200)}
    assert {k: index.search(rows[:20], k)[1].tolist() for k in (200, 5, 64, 1)} == alone
    assert [row[:5] for row in alone[64]] == alone[5]


def test_one_thread_or_many_build_the_same_file(tmp_path: Path) -> None:
    """Neither clustering nor encoding depends on who does which part."""
    rows = clustered(5000, 32)
    before = faiss.omp_get_max_threads()
    try:
        for n_threads in (1, 4):
            faiss.omp_set_num_threads(n_threads)
            write_index(build_index(rows, kind="ivf", seed=0), tmp_path / str(n_threads))
    finally:
        faiss.omp_set_num_threads(before)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "4").read_bytes()


@pytest.mark.parametrize("n_rows", [1, 2, 15, 16, 17, 33])
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 8, 12])
def test_a_few_rows_of_any_length_can_be_searched(tmp_path: Path, n_rows: int, dim: int) -> None:
    """Fewer than a code has values, and lengths that cannot be cut into fours."""
    rows = unit_rows(np.random.default_rng(0).standard_normal((n_rows, dim), dtype=np.float32))
    write_index(build_index(rows, kind="ivf", seed=0), tmp_path / "i")
    index = MappedIndex(tmp_path / "i", frame_sha256=frame_of(tmp_path / "i")[1], effort=1, prefault_pages=False)
    scores, found = index.search(rows, n_rows)
    assert np.abs(scores[:, 0] - 1).max() < 2e-3
    assert found.max() == n_rows - 1


def test_zero_rows_and_zero_queries_are_searched_like_others(tmp_path: Path) -> None:
    """A row without a vector scores 0 with everything, and is no nearer than a row that points away."""
    rows = clustered(500, 16)
    rows[::5] = 0
    write_index(build_index(rows, kind="ivf", seed=0), tmp_path / "i")
    effort = n_lists_for(500)
    index = MappedIndex(tmp_path / "i", frame_sha256=frame_of(tmp_path / "i")[1], effort=effort, prefault_pages=False)
    assert index.search(rows[1:5], 1)[1][:, 0].tolist() == [1, 2, 3, 4]
    scores, found = index.search(np.zeros((1, 16), dtype=np.float32), 500)
    assert not scores[found >= 0].any()
    assert set(scores[0][np.isin(found[0], np.arange(0, 500, 5))].tolist()) <= {0.0}


def test_nothing_but_zero_rows_can_be_built_and_searched(tmp_path: Path) -> None:
    """A corpus of texts that are all too long."""
    rows = np.zeros((100, 8), dtype=np.float32)
    write_index(build_index(rows, kind="ivf", seed=0), tmp_path / "i")
    index = MappedIndex(tmp_path / "i", frame_sha256=frame_of(tmp_path / "i")[1], effort=1, prefault_pages=False)
    assert not index.search(np.eye(1, 8, dtype=np.float32), 3)[0].any()


@pytest.mark.parametrize(("dim", "n_parts"), [(384, 96), (768, 192), (6, 2), (10, 5), (7, 7), (1, 1)])
def test_a_code_has_a_part_for_four_numbers_or_fewer(dim: int, n_parts: int) -> None:
    """Every length of a vector has one."""
    assert n_parts_for(dim) == n_parts
