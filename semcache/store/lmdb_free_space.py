"""Clears what an LMDB file holds beside its records, so that its bytes depend on the records only.

LMDB fills the free middle of a page, and the byte after a record of odd length, with whatever lay in its memory: parts
of other records, depending on when it committed. Readers never look there, but digests do.
Layout: mdb.c of LMDB 0.9, 64 bit, little-endian.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.int64]

_HEAD_BYTES, _HEAD_WORDS, _FLAGS_WORD, _LOWER_WORD, _UPPER_WORD = 16, 8, 5, 6, 7
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG = 1  # flag of a leaf's node: its record is on overflow pages, and the node holds their number
_PAGE_NUMBER_BYTES, _NODE_BYTES = 8, 8
_N_METAS = 2
_PAGES_AT_ONCE = 1024


def clear_free_space(path: Path, *, page_bytes: int) -> None:
    """Write zeros to all bytes of a compact file that no record, key or head needs.

    Args:
        path: of the file, which LMDB wrote and nobody has open.
        page_bytes: the size of its pages.

    Raises:
        OSError: the system refuses.
    """
    words = np.memmap(path, "<u2", mode="r+")
    pages = words.reshape(-1, page_bytes // 2)
    tree = _tree_pages(pages)
    for start in range(0, len(tree), _PAGES_AT_ONCE):
        _clear_pages(pages, tree[start : start + _PAGES_AT_ONCE])
    words.flush()


def _tree_pages(pages: Words) -> Numbers:
    """Return the numbers of branches and leaves; what stands on overflow pages may look like anything."""
    flags = pages[:, _FLAGS_WORD]
    is_tree = (flags == _BRANCH) | (flags == _LEAF)
    is_tree[:_N_METAS] = False
    end = 0
    for first in np.flatnonzero(flags == _OVERFLOW).tolist():
        if first >= max(end, _N_METAS):
            n_pages = int(pages[first, _LOWER_WORD]) | int(pages[first, _UPPER_WORD]) << 16
            end = first + n_pages
            is_tree[first:end] = False
    return np.flatnonzero(is_tree)


def _clear_pages(pages: Words, numbers: Numbers) -> None:
    part = pages[numbers]
    lower, upper = part[:, _LOWER_WORD], part[:, _UPPER_WORD]
    column = np.arange(part.shape[1], dtype=np.uint16)
    part[(column >= (lower >> 1)[:, None]) & (column < (upper >> 1)[:, None])] = 0
    n_nodes = (lower >> 1) - _HEAD_WORDS
    is_slot = np.arange(int(n_nodes.max()), dtype=np.uint16) < n_nodes[:, None]
    offsets = part[:, _HEAD_WORDS : _HEAD_WORDS + is_slot.shape[1]][is_slot]
    at = np.repeat(np.arange(len(part)) * part.shape[1], n_nodes) + (offsets >> 1)
    is_leaf = np.repeat(part[:, _FLAGS_WORD] == _LEAF, n_nodes)
    _clear_behind_nodes(pages, part.reshape(-1), at, is_leaf=is_leaf)
    pages[numbers] = part


def _clear_behind_nodes(pages: Words, words: Words, at: Numbers, *, is_leaf: npt.NDArray[np.bool_]) -> None:
    """Clear the byte behind each node of odd length, and what is behind a record on the last page of its own."""
    low, high, flags, key_size = (words[at + i].astype(np.int64) for i in range(4))
    size, is_big = low | high << 16, is_leaf & ((flags & _BIG) > 0)
    length = _NODE_BYTES + key_size + np.where(is_leaf, np.where(is_big, _PAGE_NUMBER_BYTES, size), 0)
    words[(at + length // 2)[length & 1 == 1]] &= 0x00FF  # little-endian: the second byte of the word
    raw, all_bytes = words.view(np.uint8), pages.reshape(-1).view(np.uint8)
    page_bytes = 2 * pages.shape[1]
    for number_at, n_bytes in zip(
        (2 * at + _NODE_BYTES + key_size)[is_big].tolist(), size[is_big].tolist(), strict=True
    ):
        first = int.from_bytes(raw[number_at : number_at + _PAGE_NUMBER_BYTES].tobytes(), "little") * page_bytes
        end = first + _HEAD_BYTES + n_bytes
        all_bytes[end : end + -end % page_bytes] = 0
