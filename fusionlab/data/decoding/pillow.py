"""PNG, JPEG, GIF, BMP, WebP, JPEG 2000 and plain PNM, through Pillow; its other formats never."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from fusionlab.data.decoding.decoded import (
    ALPHA,
    TURNED,
    Decoded,
    Header,
    Unreadable,
    check_pixels,
    of_integers,
    page_at,
    page_note,
    upright,
)
from fusionlab.data.decoding.kinds import PILLOW

_ORIENTATION = 0x0112  # EXIF tag
_EIGHT_BIT = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "PA": "RGB", "1": "L"}
_SIZ = b"\xff\x4f\xff\x51"  # where a JPEG 2000 codestream says how its samples are


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width."""
    with _opened(path, kind, page) as image:
        width, height = image.size
        turned = _orientation(image) in TURNED
    return Header((width, height) if turned else (height, width))


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """The pixels of a file.

    Raises:
        Unreadable: If it has another mode, CMYK, say.
    """
    with _opened(path, kind, page) as image:
        orientation = _orientation(image)
        pages = "" if page is not None else page_note(getattr(image, "n_frames", 1), "frames")
        if kind == "PNG" and _png(path)[0] == 16:
            found = _deep_png(path, image)
        elif kind == "JPEG2000" and max(_jpeg2000(path)) > 8:
            found = _deep_jpeg2000(path, image)
        else:
            found = _pixels(path, kind, image)
    pixels = found.pixels.reshape(*found.pixels.shape[:2], -1)
    turned = upright(pixels, orientation)
    return Decoded(turned, found.white, bits=found.bits, notes=found.notes).noted(pages)


@contextmanager
def _opened(path: Path, kind: str, page: int | None) -> Iterator[Image.Image]:
    """An image of Pillow's, at its page; no other decoder than that of its kind is ever run."""
    assert kind in PILLOW
    # Opened by name, Pillow maps uncompressed grey files
    with path.open("rb") as file, Image.open(file, formats=(kind,)) as image:
        check_pixels(image.height, image.width)
        if page is not None:
            image.seek(page_at(page, getattr(image, "n_frames", 1)))
        yield image


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # without this, Pillow decodes the whole file to look for it
    return image.getexif().get(_ORIENTATION, 1)


def _pixels(path: Path, kind: str, image: Image.Image) -> Decoded:
    if image.mode in _EIGHT_BIT:
        if kind == "PPM" and image.mode == "RGB" and _pnm_maximum(path) > 255:
            raise Unreadable("is a plain PPM of more than 8 bits, which is not read; save it as P6")
        notes = (ALPHA,) if _is_transparent(image) else ()
        image.info.pop("transparency", None)  # Pillow warns that it is lost
        return of_integers(np.asarray(image.convert(_EIGHT_BIT[image.mode])), notes=notes)
    if image.mode.startswith("I"):
        return of_integers(np.asarray(image).astype(np.uint16))
    raise Unreadable(
        f"has mode {image.mode}, which is not read; save it as 8 or 16 bit grey or RGB"
    )


def _is_transparent(image: Image.Image) -> bool:
    if image.mode in ("LA", "RGBA", "PA"):
        return image.getchannel("A").getextrema()[0] < 255  # type: ignore[operator]
    if "transparency" not in image.info:
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] < 255  # type: ignore[operator]


def _png(path: Path) -> tuple[int, int]:
    """Bit depth and colour type, the bytes after signature, length, type, width and height."""
    with path.open("rb") as file:
        return tuple(file.read(26)[24:])  # type: ignore[return-value]


def _deep_png(path: Path, image: Image.Image) -> Decoded:
    """16 bits, which Pillow cuts to 8 where there are several channels."""
    if _png(path)[1] == 4:
        raise Unreadable("is 16-bit grey with alpha, which is not read; remove the alpha")
    image.load()  # checks that it is whole
    if image.mode.startswith("I"):
        return of_integers(np.asarray(image).astype(np.uint16))
    import imagecodecs

    return _without_alpha(imagecodecs.png_decode(path.read_bytes()))


def _jpeg2000(path: Path) -> list[int]:
    """Bits of each component; a component of signed numbers counts as more than any container."""
    content = path.read_bytes()
    at = content.find(_SIZ)
    (count,) = struct.unpack(">H", content[at + 40 : at + 42])
    depths = content[at + 42 : at + 42 + 3 * count : 3]
    return [99 if depth & 128 else depth + 1 for depth in depths]


def _deep_jpeg2000(path: Path, image: Image.Image) -> Decoded:
    """More than 8 bits, of which Pillow keeps 8 where there are several channels."""
    bits = _jpeg2000(path)
    if max(bits) > 16 or len(set(bits)) > 1 or len(bits) not in (1, 3, 4):
        raise Unreadable(
            "is a JPEG 2000 of signed or unequal channels, which is not read; "
            "save it as 8 or 16 bit grey or RGB"
        )
    import imagecodecs

    white = 2 ** bits[0] - 1
    return _without_alpha(imagecodecs.jpeg2k_decode(path.read_bytes()), white)


def _without_alpha(pixels: np.ndarray, white: float = 65535) -> Decoded:
    transparent = pixels.ndim == 3 and pixels.shape[2] == 4 and pixels[..., 3].min() < white
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    return of_integers(colours, white, notes=(ALPHA,) if transparent else ())


def _pnm_maximum(path: Path) -> int:
    with path.open("rb") as file:
        lines = (line.partition(b"#")[0] for line in file.read(4096).split(b"\n"))
    return int(b" ".join(lines).split()[3])
