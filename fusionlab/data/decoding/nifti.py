"""Slices of NIfTI files, through nibabel."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from fusionlab.data.decoding.decoded import (
    Decoded,
    Header,
    Unreadable,
    check_pixels,
    of_integers,
    page_at,
    page_note,
)


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width."""
    width, height = _nifti(path).shape[:2]
    check_pixels(height, width)
    return Header((height, width))


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """One axial slice of a NIfTI file, anterior above, its right side at the right.

    Convention: the axes are turned to the nearest of right, anterior, superior; ``cal_min`` and
    ``cal_max`` are black and white where the file states them.

    Raises:
        Unreadable: If it is no volume of plain numbers.
    """
    image = _nifti(path)
    width, height = image.shape[:2]
    check_pixels(height, width)
    slices = int(np.prod(image.shape[2:]))
    place = page_at(page, slices)
    volume = image.dataobj
    index = np.unravel_index(place, image.shape[2:]) if image.ndim > 2 else ()
    at = (slice(None), slice(None), *map(int, index))
    values = np.asarray(volume[at])
    if values.dtype.kind not in "buif":
        raise Unreadable(f"holds {values.dtype}, which is no grey image; save it as PNG")
    low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
    pixels = np.rot90(values)[..., None]
    pages = page_note(slices, "slices") if page is None else ""
    if np.isfinite(high) and high > low:
        note = f"is shown from {low:g} to {high:g}, its cal_min and cal_max"
        bits = 8 * values.dtype.itemsize
        return Decoded(pixels, high, low, bits=bits, clips=True).noted(note, pages)
    return of_integers(pixels).noted(pages)


def _nifti(path: Path) -> Any:
    try:
        import nibabel
    except ModuleNotFoundError:
        raise Unreadable(
            'is NIfTI, which needs nibabel; pip install "fusionlab[medical]"'
        ) from None
    kind = nibabel.Nifti2Image if b"n+2" in _magic(path) else nibabel.Nifti1Image
    try:
        image = nibabel.as_closest_canonical(kind.from_filename(path))
    except (
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
    ) as reason:
        raise Unreadable(f"is broken NIfTI ({reason}); get it again") from None
    if len(image.shape) < 2:
        raise Unreadable("holds no slices")
    return image


def _magic(path: Path) -> bytes:
    """Where NIfTI-2 has its name."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(8)
