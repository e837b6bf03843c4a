"""Array files (.npy): written by NumPy, read by holding the head against the only one that is allowed.

NumPy's own reader evaluates the head and knows many kinds of file; a bundle holds one kind, of a known type and
shape, so nothing needs to be parsed.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.errors import BundleCorruptError, StorageError
from semcache.store.mapping import map_file

_PREFIX = struct.Struct("<6sBBH")  # magic, version, length of the head's text
_MAGIC = (b"\x93NUMPY", 1, 0)


def save_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array file.

    Raises:
        StorageError: the system refuses.
    """
    try:
        with path.open("wb") as file:
            np.save(file, values, allow_pickle=False)
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def load_array(path: Path, *, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Map an array file of a known type and shape; read-only.

    Raises:
        BundleCorruptError: it holds anything else.
        StorageError: it cannot be read.
    """
    try:
        view = memoryview(map_file(path))
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    except ValueError as error:
        raise BundleCorruptError(path, "is empty") from error
    if len(view) < _PREFIX.size:
        raise BundleCorruptError(path, f"{len(view)} bytes are no array")
    *magic, n_text = _PREFIX.unpack_from(view)
    start = _PREFIX.size + n_text
    found = bytes(view[_PREFIX.size : start]).rstrip(b" \n")
    descr = np.lib.format.dtype_to_descr(dtype)
    allowed = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if tuple(magic) != _MAGIC or found != allowed or len(view) - start != n_bytes:
        text = found[:80].decode("ascii", "replace")
        reason = f"holds {len(view) - start} bytes as {text}, allowed {n_bytes} as {allowed.decode('ascii')}"
        raise BundleCorruptError(path, reason)
    return np.frombuffer(view, dtype, offset=start).reshape(shape)
