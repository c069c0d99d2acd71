"""TIFF of every depth and compression, through tifffile and imagecodecs.

What the header says is honoured: bits, SampleFormat, MaxSampleValue, SMin- and SMaxSampleValue,
PhotometricInterpretation, ExtraSamples, Orientation, XPosition and YPosition, NewSubfileType.
What would have to be guessed is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fusionlab.data.decoding.decoded import (
    ALPHA,
    TURNED,
    Decoded,
    Header,
    Unreadable,
    check_pixels,
    page_at,
    page_note,
    upright,
)

PHOTOMETRIC, MAXIMUM, ORIENTATION = 262, 281, 274  # tags
X_RESOLUTION, Y_RESOLUTION, X_POSITION, Y_POSITION, SMIN, SMAX = 282, 283, 286, 287, 340, 341
GREY, RGB, PALETTE, YCBCR = (0, 1), 2, 3, 6  # photometric interpretations
WHITE_IS_0 = 0
JPEG = 7  # compression, whose decoder gives RGB
ASSOCIATED = 1  # kind of alpha that the colours are multiplied by
UNASSOCIATED = 2
UNKNOWN, SIGNED, FLOAT = 4, 2, 3  # sample formats
_NAMES = {5: "CMYK", 8: "LAB", 9: "LAB", 10: "LAB"}

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it finds, we say ourselves


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height, width and offset."""
    with _page(path, page) as (found, _):
        height, width = found.imagelength, found.imagewidth
        if _number(found, ORIENTATION, 1) in TURNED:
            height, width = width, height
        return Header((height, width), _offset(found))


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """The pixels of a page.

    Convention: white is the largest value of the stated bits; MaxSampleValue, or SMin- and
    SMaxSampleValue, in containers of more than 8 bits. Colours that alpha is associated with are
    divided by it.

    Raises:
        Unreadable: If its colours, its numbers or its alpha are not read.
    """
    with _page(path, page) as (found, count):
        mode = _photometric(found)
        bits = _bits(found, mode)
        _check_whole(found)
        pixels = _samples(found)
        colours = 1 if mode in (*GREY, PALETTE) else 3
        black, white, notes = _levels(found, bits, pixels.dtype.kind)
        pixels, note = _without_extra(found, pixels, colours, white)
        if mode == PALETTE:
            table = np.asarray(found.colormap).transpose(1, 0)  # 16 bits, v·256 or v·257
            pixels, white, bits = (table[pixels[..., 0]] >> 8).astype(np.uint8), 255.0, 8
        pages = page_note(count) if page is None else ""
        turned = upright(pixels, _number(found, ORIENTATION, 1))
        inverted = mode == WHITE_IS_0
    return Decoded(turned, white, black, inverted, max(bits, 1)).noted(*notes, note, pages)


@contextmanager
def _page(path: Path, page: int | None) -> Iterator[tuple[Any, int]]:
    """A page, of those that are neither reduced copies nor masks, and how many these are."""
    with tifffile.TiffFile(path) as file:
        pages = [one for one in file.pages if not int(one.subfiletype) & 0b101]
        if not pages:
            raise Unreadable("holds nothing but reduced copies or masks")
        found = pages[page_at(page, len(pages))]
        if isinstance(found, tifffile.TiffFrame):
            found = found.aspage()
        check_pixels(found.imagelength, found.imagewidth)
        yield found, len(pages)


def _number(page: Any, tag: int, default: int) -> int:
    found = page.tags.get(tag)
    return default if found is None else int(found.value)


def _photometric(page: Any) -> int:
    if page.tags.get(PHOTOMETRIC) is None:
        raise Unreadable("does not say its PhotometricInterpretation; save it as PNG")
    kind = int(page.photometric)
    read = kind in (*GREY, RGB, PALETTE) or (kind == YCBCR and int(page.compression) == JPEG)
    if not read or page.imagedepth > 1:
        name = _NAMES.get(kind, getattr(page.photometric, "name", kind))
        raise Unreadable(f"has mode {name}, which is not read; save it as 8 or 16 bit grey or RGB")
    return kind


def _bits(page: Any, kind: int) -> int:
    """Bits of a sample, of a number that is read."""
    bits, style = page.bitspersample, page.sampleformat
    if isinstance(bits, tuple) or isinstance(style, tuple) or page.dtype is None:
        raise Unreadable(f"has samples of {bits} bits, which are not read; save it as PNG")
    if int(style) >= UNKNOWN or (kind == PALETTE and int(style) != 1):
        raise Unreadable(f"has the SampleFormat {int(style)}, which is not read; save it as PNG")
    return int(bits)


def _check_whole(page: Any) -> None:
    """Refuse what tifffile would fill with zeros: strips or tiles that are absent or cut."""
    ends = [
        start + count if start and count else -1
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    size = page.parent.filehandle.size
    if not ends or min(ends) < 0 or max(ends) > size:
        raise Unreadable("cannot be read as an image (truncated); get it again, or save it as PNG")


def _samples(page: Any) -> np.ndarray:
    """(H, W, S); a strip or tile that decodes to less than it should is refused."""
    planes, _, height, width, samples = page.shaped
    result = np.empty((planes, height, width, samples), page.dtype)
    for segment, (plane, _, top, left, _), shape in page.segments():
        if segment is None or segment.shape[:3] != shape[:3]:
            raise Unreadable("cannot be read as an image (a strip is cut short); get it again")
        block = segment[0, : height - top, : width - left]
        result[plane, top : top + shape[1], left : left + shape[2]] = block
    return result[0] if planes == 1 else result[..., 0].transpose(1, 2, 0)


def _levels(page: Any, bits: int, kind: str) -> tuple[float, float | None, list[str]]:
    """Black and white as the header says, and what to tell of it."""
    low, high = _extreme(page, SMIN), _extreme(page, SMAX)
    if high is not None and bits > 8:
        black = low or 0.0
        if high <= black:
            raise Unreadable(f"has the SMaxSampleValue {high:g}, which is not above black")
        said = f"is read from {black:g} to {high:g}, as SMinSampleValue and SMaxSampleValue say"
        return black, high, [said]
    full = float(2**bits - 1) if kind in "bu" and bits <= 16 else None
    maximum = _extreme(page, MAXIMUM)
    if maximum is None or maximum == full or kind == "f":
        return 0.0, full, []
    if bits > 8 and maximum > 0:
        return 0.0, maximum, [f"is read from 0 to {maximum:g}, its MaxSampleValue"]
    return 0.0, full, [f"states the MaxSampleValue {maximum:g} of {full}; data.range can say it"]


def _extreme(page: Any, tag: int) -> float | None:
    """The value of a tag that has one number, or the same for every sample."""
    found = page.tags.get(tag)
    if found is None:
        return None
    values = set(np.atleast_1d(np.asarray(found.value, float)).tolist())
    if len(values) > 1:
        raise Unreadable(f"has the {found.name} {found.value}, which differ among its channels")
    return float(values.pop())


def _without_extra(
    page: Any, pixels: np.ndarray, colours: int, white: float | None
) -> tuple[np.ndarray, str]:
    """The colours without alpha and other extra samples, and a note where these matter."""
    extra = pixels[..., colours:]
    if pixels.shape[2] < colours:
        raise Unreadable(f"has {pixels.shape[2]} channels where {colours} are needed")
    if not extra.shape[2]:
        return pixels, ""
    kinds = [int(one) for one in page.extrasamples] or [0]
    opaque = 1.0 if pixels.dtype.kind == "f" else white
    own = pixels[..., :colours]
    if kinds[0] not in (ASSOCIATED, UNASSOCIATED):
        return own, f"has {extra.shape[2]} channels besides its colours, which are dropped"
    alpha = extra[..., :1]
    if opaque is None or page.photometric == WHITE_IS_0:
        raise Unreadable("has alpha beside values of unknown range; remove the alpha")
    if (alpha == opaque).all():
        return own, ""
    if kinds[0] == UNASSOCIATED:
        return own, ALPHA
    if (own > alpha).any():
        raise Unreadable("has colours above the alpha that they are multiplied by; remove it")
    share = alpha.astype(np.float64) / opaque
    divided = np.divide(own, share, out=np.zeros(own.shape), where=share > 0)
    return divided, "has colours multiplied by alpha, which are divided by it; alpha is dropped"


def _offset(page: Any) -> tuple[int, int]:
    """Where a crop lies in its picture, pixels right and down."""
    places = []
    for position, resolution in ((X_POSITION, X_RESOLUTION), (Y_POSITION, Y_RESOLUTION)):
        at, per = (page.tags.get(tag) for tag in (position, resolution))
        places.append(round(_ratio(at) * (_ratio(per) or 1)) if at is not None else 0)
    return places[0], places[1]


def _ratio(tag: Any) -> float:
    if tag is None:
        return 0.0
    numerator, denominator = np.ravel(tag.value)[:2] if np.size(tag.value) > 1 else (tag.value, 1)
    return float(numerator) / float(denominator) if denominator else 0.0
