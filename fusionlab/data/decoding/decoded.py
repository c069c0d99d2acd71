"""What is in an image file, before it is scaled to [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
MOST_PIXELS = 178_956_970  # where Pillow sees a decompression bomb
ALPHA = "alpha is not opaque everywhere; it is dropped, and the colours below it show"


class Unreadable(ValueError):
    """A file that is not read as it is: what is wrong, as the end of a sentence about it."""


@dataclass(frozen=True)
class Header:
    """What a file says before its pixels.

    Args:
        size: Height and width, upright.
        offset: Where a crop lies in its whole picture, right and down, pixels.
    """

    size: tuple[int, int]
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Decoded:
    """The pixels of a file as they are stored, upright.

    Args:
        pixels: (H, W, 1) or (H, W, 3) of any kind of number.
        white: The stored value that is shown as white; None where the file does not tell.
        black: The stored value that is shown as black.
        inverted: Whether the file exchanges the two.
        bits: Of the container of a sample.
        clips: Whether values beyond black and white are cut, as a window of a scanner says.
        notes: What a user should know, each as the end of a sentence about the file.
    """

    pixels: np.ndarray
    white: float | None
    black: float = 0.0
    inverted: bool = False
    bits: int = 8
    clips: bool = False
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> Decoded:
        """The same with further notes; empty ones count for nothing."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))


def of_integers(pixels: np.ndarray, white: float | None = None, **facts: object) -> Decoded:
    """Integers whose container tells the white level: unsigned, of 8 or 16 bits."""
    told = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(bool): 1.0}
    own = told.get(pixels.dtype) if white is None else white
    bits = 1 if pixels.dtype == bool else 8 * pixels.dtype.itemsize
    return Decoded(pixels, own, bits=bits, **facts)  # type: ignore[arg-type]


def check_pixels(height: int, width: int) -> None:
    """Refuse what a file of a few bytes can claim.

    Raises:
        Unreadable: If the image is empty, or larger than any camera's.
    """
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise Unreadable(f"is {width}x{height} pixels, which is not read")


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1 to 8) of (H, W, C)."""
    if orientation in TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def page_note(count: int, kind: str = "pages") -> str:
    """The note of a file with several pages of which none was chosen."""
    return f"has {count} {kind}, the first is used; data.page takes another" if count > 1 else ""


def page_at(page: int | None, count: int) -> int:
    """Position of a page that is counted from 1; the first where none is chosen.

    Raises:
        Unreadable: If there is no such page.
    """
    place = 1 if page is None else page
    if not 1 <= place <= count:
        raise Unreadable(f"has {count} pages, and no page {page}; set data.page to one of them")
    return place - 1
