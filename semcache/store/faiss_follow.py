"""Builds an index of the rows that an earlier one has already, and of those that it lacks.

The costly part of kind ivf is to encode rows: which list a row is in, and its product code. Both depend on the row and
on what was trained, on nothing else. So they are taken over for each row whose float16 numbers are the same ones; the
rest is encoded by FAISS, and the lists are put together in the order of labels. What comes out is, to the byte, what
`build_index` builds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from semcache.core.vectors import HalfRows
from semcache.errors import BundleCorruptError
from semcache.store.faiss_index import Rows, exact_part, first_line, first_pass, frame_of, from_frame, one_thread

Codes = npt.NDArray[np.uint8]


def follow_index(path: Path, rows: HalfRows, *, trained: bytes) -> Any | None:
    """Build what `build_index` builds of these rows, as kind ivf with this training.

    Args:
        path: an earlier index; its digest must have been checked.
        rows: (n, dim) float16 unit rows; row i gets label i.
        trained: what `trained_frame` returned.

    Returns:
        An index for `write_index`; None where the earlier one is of another kind or training, or has more rows.

    Raises:
        BundleCorruptError: `trained` is not of this kind and dim, or the earlier index is none.
        StorageError: the earlier index cannot be read.
    """
    index, added = (from_frame(trained, kind="ivf", dim=rows.shape[1]) for _ in range(2))
    frame, _ = frame_of(path)
    if frame.kind != "ivf" or frame.dim != rows.shape[1] or frame.n_rows > len(rows):
        return None
    try:
        before = faiss.read_index(str(path))
    except RuntimeError as error:
        raise BundleCorruptError(path, f"FAISS: {first_line(error)}") from error
    if _training(before) != _training(index):
        return None
    is_other = _differs(before, rows)
    others = np.flatnonzero(is_other)
    with one_thread():
        first_pass(added).add_with_ids(rows[others].astype(np.float32), others)
    _merge_lists(_lists(index), _lists(before), _lists(added), is_other)
    faiss.copy_array_to_vector(rows.view(np.uint8).ravel(), exact_part(index).codes)
    for part in (index, first_pass(index), exact_part(index)):
        part.ntotal = len(rows)
    return index


def _training(index: Any) -> bytes:
    """Return the centroids of lists and of product codes: all that a row is encoded by."""
    lists = first_pass(index)
    coarse = exact_part(faiss.downcast_index(lists.quantizer))
    return b"".join(faiss.vector_to_array(values).tobytes() for values in (coarse.codes, lists.pq.centroids))


def _differs(before: Any, rows: HalfRows) -> npt.NDArray[np.bool_]:
    """Return which rows an index lacks, or has other numbers of."""
    n_before, dim = before.ntotal, before.d
    had = faiss.rev_swig_ptr(exact_part(before).codes.data(), 2 * n_before * dim).view(np.uint16)
    differs = np.ones(len(rows), np.bool_)
    differs[:n_before] = (had.reshape(n_before, dim) != rows[:n_before].view(np.uint16)).any(axis=1)
    return differs


def _lists(index: Any) -> Any:
    return faiss.downcast_InvertedLists(first_pass(index).invlists)


def _merge_lists(target: Any, before: Any, added: Any, is_other: npt.NDArray[np.bool_]) -> None:
    """Fill empty lists with what is still so in those before, and what was added."""
    for number in range(target.nlist):
        had, had_codes = _entries(before, number)
        new, new_codes = _entries(added, number)
        stays = ~is_other[had]
        labels = np.concatenate([had[stays], new])
        order = np.argsort(labels)
        labels, packed = labels[order], _packed(np.concatenate([had_codes[stays], new_codes])[order], target)
        if len(labels):
            target.add_entries(number, len(labels), faiss.swig_ptr(labels), faiss.swig_ptr(packed))


def _entries(lists: Any, number: int) -> tuple[Rows, Codes]:
    """Return labels and codes of a list, a row each."""
    n = lists.list_size(number)
    packer, n_blocks = lists.packer, -(-n // lists.n_per_block)
    codes = np.empty((n_blocks * lists.n_per_block, packer.code_size), np.uint8)
    if not n:
        return np.empty(0, np.int64), codes
    blocks = faiss.rev_swig_ptr(lists.get_codes(number), n_blocks * lists.block_size)
    for block, into in zip(blocks.reshape(n_blocks, -1), codes.reshape(n_blocks, -1), strict=True):
        packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(into))
    return faiss.rev_swig_ptr(lists.get_ids(number), n).copy(), codes[:n]


def _packed(codes: Codes, lists: Any) -> Codes:
    """Return codes in whole blocks, as lists hold them."""
    n_blocks = -(-len(codes) // lists.n_per_block)
    padded = np.zeros((n_blocks, lists.n_per_block * codes.shape[1]), np.uint8)
    padded.reshape(-1, codes.shape[1])[: len(codes)] = codes
    blocks = np.zeros((n_blocks, lists.block_size), np.uint8)
    for block, of in zip(blocks, padded, strict=True):
        lists.packer.pack_all(faiss.swig_ptr(of), faiss.swig_ptr(block))
    return blocks
