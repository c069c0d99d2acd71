"""Frames of DICOM files, through pydicom."""

from __future__ import annotations

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

_GREY = ("MONOCHROME1", "MONOCHROME2")


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width."""
    return Header(_size(_dicom(path, whole=False)))


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """One frame of a DICOM file, in the units of its rescaling (Hounsfield units of CT).

    Convention: where the file states a linear window, the first one is black to white (PS3.3
    C.11.2.1.2); else the bits stored are, unless values are signed or rescaled.

    Raises:
        Unreadable: If its colours are not read, or a decoder is missing.
    """
    from pydicom.pixels import apply_modality_lut, pixel_array

    found = _dicom(path, whole=True)
    _size(found)
    count = int(found.get("NumberOfFrames") or 1)
    colours = str(found.get("PhotometricInterpretation", ""))
    pixels = pixel_array(found, index=page_at(page, count))
    pages = page_note(count, "frames") if page is None else ""
    if colours not in _GREY:
        if colours != "RGB" and not colours.startswith("YBR_FULL"):
            raise Unreadable(f"has the colours {colours}, which are not read; save it as PNG")
        return of_integers(pixels).noted(pages)
    values = np.asarray(apply_modality_lut(pixels, found))
    black, white, clips, note = _window(found, values is pixels or bool((values == pixels).all()))
    return Decoded(
        values[..., None],
        white,
        black,
        inverted=colours == "MONOCHROME1",
        bits=int(found.BitsAllocated),
        clips=clips,
        notes=tuple(filter(None, (note, pages))),
    )


def _dicom(path: Path, whole: bool) -> Any:
    try:
        import pydicom
    except ModuleNotFoundError:
        raise Unreadable(
            'is DICOM, which needs pydicom; pip install "fusionlab[medical]"'
        ) from None
    try:
        return pydicom.dcmread(path, stop_before_pixels=not whole)
    except pydicom.errors.InvalidDicomError as reason:
        raise Unreadable(f"is broken DICOM ({reason}); get it again") from None


def _size(found: Any) -> tuple[int, int]:
    size = int(found.get("Rows") or 0), int(found.get("Columns") or 0)
    check_pixels(*size)
    return size


def _window(found: Any, is_stored: bool) -> tuple[float, float | None, bool, str]:
    """Black, white, whether values beyond are cut, and a note."""
    centre, width = (_first(found.get(key)) for key in ("WindowCenter", "WindowWidth"))
    function = str(found.get("VOILUTFunction") or "LINEAR")
    if centre is not None and width is not None:
        exact = function == "LINEAR_EXACT"
        if function not in ("LINEAR", "LINEAR_EXACT") or width <= (0 if exact else 1):
            raise Unreadable(f"has a {function} window of {width:g}, which is not read")
        half, middle = (width / 2, centre) if exact else ((width - 1) / 2, centre - 0.5)
        note = f"is shown at its window, level {centre:g}, width {width:g}"
        return middle - half, middle + half, True, note
    if is_stored and not found.get("PixelRepresentation"):
        return 0.0, float(2 ** int(found.BitsStored) - 1), False, ""
    return 0.0, None, False, ""


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
