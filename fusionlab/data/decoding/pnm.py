"""Binary PGM and PPM, whose header says which value is white.

Specification: https://netpbm.sourceforge.net/doc/pgm.html
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fusionlab.data.decoding.decoded import Decoded, Header, Unreadable, check_pixels, of_integers

_BLANK = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([56])" + _BLANK + rb"(\d+)" + _BLANK + rb"(\d+)" + _BLANK + rb"(\d+)\s")


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width."""
    return Header(_parsed(path)[1:3])


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """The pixels of the first image.

    Raises:
        Unreadable: If the file is truncated, or a value exceeds its maximum.
    """
    start, height, width, channels, white = _parsed(path)
    stored = np.dtype(np.uint8 if white < 256 else ">u2")
    count = height * width * channels
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(count * stored.itemsize)
    if len(content) < count * stored.itemsize:
        raise Unreadable("cannot be read as an image (truncated); get it again, or save it as PNG")
    pixels = np.frombuffer(content, stored).reshape(height, width, channels)
    return of_integers(pixels.astype(stored.newbyteorder("=")), white)


def _parsed(path: Path) -> tuple[int, int, int, int, int]:
    """Where the pixels start, height, width, channels and white."""
    with path.open("rb") as file:
        found = _HEADER.match(file.read(65536))
    if found is None:
        raise Unreadable("cannot be read as an image (broken header); get it again")
    letter, width, height, white = (int(part) for part in found.groups())
    check_pixels(height, width)
    if not 0 < white < 65536:
        raise Unreadable(f"has the maximum {white}, which is not read; save it as PNG")
    return found.end(), height, width, 1 if letter == 5 else 3, white
