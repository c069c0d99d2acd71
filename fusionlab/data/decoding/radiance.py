"""OpenEXR and Radiance HDR: linear light of any brightness."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from fusionlab.data.decoding.decoded import Decoded, Header, Unreadable, check_pixels

LINEAR = "holds linear light, which is fused as it is"
_HDR_SIZE = re.compile(rb"\n\n-Y (\d+) \+X (\d+)\n")


def header(path: Path, kind: str, page: int | None) -> Header:
    """Height and width, and where the data window of an OpenEXR file lies."""
    if kind == "HDR":
        return Header(_hdr_size(path.read_bytes()))
    low, high = _exr(path, header_only=True).header()["dataWindow"]
    width, height = (int(b) - int(a) + 1 for a, b in zip(low, high, strict=True))
    check_pixels(height, width)
    return Header((height, width), (int(low[0]), int(low[1])))


def decode(path: Path, kind: str, page: int | None) -> Decoded:
    """The colours of a Radiance file; the grey or colour channels of an OpenEXR file.

    Raises:
        Unreadable: If there are others, or OpenEXR is missing.
    """
    if kind == "HDR":
        import imagecodecs

        content = path.read_bytes()
        _hdr_size(content)
        return Decoded(imagecodecs.rgbe_decode(content), None, bits=32, notes=(LINEAR,))
    header(path, kind, page)
    found = _exr(path, header_only=False).channels()
    channels = {name: np.array(one.pixels) for name, one in found.items()}
    for name in ("RGB", "RGBA"):
        if name in channels:
            return Decoded(channels[name][..., :3], None, bits=32, notes=(LINEAR,))
    if "Y" in channels and not {"RY", "BY"} & channels.keys():
        return Decoded(channels["Y"][..., None], None, bits=32, notes=(LINEAR,))
    raise Unreadable(f"has the channels {', '.join(channels)}; save it with RGB or Y")


def _hdr_size(content: bytes) -> tuple[int, int]:
    found = _HDR_SIZE.search(content[:65536])
    if found is None:
        raise Unreadable("has rows in an unusual order, or a broken header; save it as OpenEXR")
    size = int(found[1]), int(found[2])
    check_pixels(*size)
    return size


def _exr(path: Path, header_only: bool) -> Any:
    try:
        import OpenEXR
    except ModuleNotFoundError:
        raise Unreadable('is OpenEXR; pip install "fusionlab[exr]"') from None
    return OpenEXR.File(str(path), header_only=header_only)
