"""Reading image files: any bit depth and mode the field uses, to (C, H, W) in [0, 1]."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fusionlab.errors import InputError

_ORIENTATION = 0x0112  # EXIF tag
_TURNED = (5, 6, 7, 8)  # orientations that exchange height and width
_BITS_PER_SAMPLE = 258  # TIFF tag
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
_EIGHT_BIT = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "PA": "RGB", "1": "L"}


def image_size(path: Path) -> tuple[int, int]:
    """Height and width, after EXIF rotation, read from the header alone.

    Raises:
        InputError: If the file is no image.
    """
    try:
        with path.open("rb") as file, Image.open(file) as image:
            width, height = image.size
            turned = image.format != "TIFF" and _orientation(image) in _TURNED  # Pillow turns TIFFs
    except _BROKEN as reason:
        raise _unreadable(path, reason) from None
    return (width, height) if turned else (height, width)


def read_image(path: Path) -> Tensor:
    """Read a PNG, JPEG, TIFF or BMP, 8 or 16 bit, grey, RGB or palette.

    Convention: the full range of the container, 255 or 65535, becomes 1; an alpha channel is
    dropped and the colours below it are kept; EXIF rotation is applied.

    Returns:
        (1, H, W) or (3, H, W), float32 in [0, 1].

    Raises:
        InputError: If the file is unreadable or truncated, or of another mode (CMYK, say).
    """
    try:
        # Opened by name, Pillow maps uncompressed grey TIFFs, and reads those turned askew
        with path.open("rb") as file, Image.open(file) as image:
            orientation = _orientation(image)
            if _is_deep_colour(path, image):
                pixels = _deep_colour(path, image)
            else:
                pixels = _pixels(path, image)
                orientation = 1 if image.format == "TIFF" else orientation
    except InputError:
        raise
    except _BROKEN as reason:
        raise _unreadable(path, reason) from None
    pixels = _upright(pixels.reshape(*pixels.shape[:2], -1), orientation)
    if pixels.dtype != np.float32:
        pixels = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def check_images(paths: Iterable[Path]) -> None:
    """Decode every file, so that a broken one is found before anything is computed.

    Raises:
        InputError: Naming the first file that is unreadable or truncated.
    """
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read_image, paths):
            pass


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # without this, Pillow decodes the whole file to look for it
    return image.getexif().get(_ORIENTATION, 1)


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    if image.mode in _EIGHT_BIT:
        image.info.pop("transparency", None)  # Pillow warns that it is lost
        return np.asarray(image.convert(_EIGHT_BIT[image.mode]))
    pixels = np.asarray(image)
    if image.mode.startswith("I") and pixels.min() >= 0 and pixels.max() <= 65535:
        return pixels.astype(np.uint16)
    if image.mode == "F" and pixels.min() >= 0 and pixels.max() <= 1:
        return pixels.copy()
    held = f" with values {pixels.min():g} to {pixels.max():g}" if pixels.ndim == 2 else ""
    raise InputError(
        f"{path} has mode {image.mode}{held}, which is not read; save it as 8 or 16 bit grey or RGB"
    )


def _is_deep_colour(path: Path, image: Image.Image) -> bool:
    """Whether Pillow would cut a 16-bit image with several channels down to 8 bits."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    if image.format == "PNG":
        return _png_header(path)[0] == 16
    if image.format == "TIFF":
        return 16 in image.tag_v2.get(_BITS_PER_SAMPLE, ())  # type: ignore[attr-defined]
    return False


def _png_header(path: Path) -> tuple[int, int]:
    """Bit depth and colour type, the bytes after signature, length, type, width and height."""
    with path.open("rb") as file:
        return tuple(file.read(26)[24:])  # type: ignore[return-value]


def _deep_colour(path: Path, image: Image.Image) -> np.ndarray:
    image.load()  # checks that it is whole
    if image.format == "TIFF":
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages[0]  # the one that Pillow reads
            pixels = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            pixels = pixels.transpose(1, 2, 0)
        return pixels[..., :3]
    if _png_header(path)[1] == 4:
        raise InputError(f"{path} is 16-bit grey with alpha, which is not read; remove the alpha")
    from kornia_rs.io import read_image_png_u16

    return np.asarray(read_image_png_u16(str(path), image.mode.lower()))[..., :3]


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1 to 8) of (H, W, C)."""
    if orientation in _TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _unreadable(path: Path, reason: Exception) -> InputError:
    if not path.exists():
        return InputError(f"no image at {path}")
    text = " ".join(str(reason).split()) or type(reason).__name__
    if isinstance(reason, UnidentifiedImageError):
        text = "unknown format"
    return InputError(
        f"{path} cannot be read as an image ({text}); get it again, or save it as PNG"
    )
