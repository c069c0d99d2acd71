"""Arrays of NumPy, (H, W), (H, W, C) or (C, H, W); nothing in them is unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusionlab.data.decoding.decoded import Decoded, Header, Unreadable, check_pixels, of_integers


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width."""
    return Header(_opened(path).shape[:2])


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """The pixels of a file.

    Raises:
        Unreadable: If it is no image of numbers.
    """
    return of_integers(np.array(_opened(path)))


def _opened(path: Path) -> np.ndarray:
    """The mapped array as (H, W, C)."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "buif":
        raise Unreadable(f"holds {array.dtype}, which is no image")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[2] not in (1, 3) and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise Unreadable(f"holds an array of shape {array.shape}; save it as (H, W) or (H, W, 3)")
    check_pixels(*array.shape[:2])
    return array.astype(array.dtype.newbyteorder("="), copy=False)
