"""Pictures, maps of Relative Dominability and other files on disk; none exists in part."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.runs.rd_colours import RDScale
from fusionlab.writing import replace_file

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}


def as_written(levels: Tensor) -> Tensor:
    """A picture as a file holds it, (C, H, W): (1, H, W) if its channels are equal."""
    return levels[:1] if (levels == levels[:1]).all() else levels


def write_picture(path: Path, levels: Tensor) -> None:
    """Write (3, H, W) or (1, H, W) uint8; grey if its channels are equal.

    The ending says how: PNG, TIFF, or JPEG of quality 95 with whole chroma.
    """
    levels = as_written(levels.cpu())
    _write(path, Image.fromarray(levels.permute(1, 2, 0).squeeze(2).contiguous().numpy()))


def write_deep_picture(path: Path, picture: Tensor) -> None:
    """Write (3, H, W) in [0, 1] with 16 bits a channel, as PNG or TIFF; grey if channels are equal.

    Raises:
        InputError: If the ending is another one.
    """
    import imagecodecs
    import tifffile

    levels = np.stack([_deep_levels(channel) for channel in picture])  # one at a time: memory
    levels = levels[0] if (levels == levels[:1]).all() else levels.transpose(1, 2, 0)
    kind = FORMATS[path.suffix.casefold()]
    if kind == "PNG":
        write_atomic(path, bytes(imagecodecs.png_encode(np.ascontiguousarray(levels))))
    elif kind == "TIFF":
        buffer = io.BytesIO()
        colours = "rgb" if levels.ndim == 3 else "minisblack"
        tifffile.imwrite(buffer, levels, photometric=colours, compression="zlib")
        write_atomic(path, buffer.getvalue())
    else:
        raise InputError(f"{path}: 16 bits need .png or .tif; a JPEG has 8")


def _deep_levels(channel: Tensor) -> np.ndarray:
    return (channel.clamp(0, 1).double() * 65535).round().cpu().numpy().astype(np.uint16)


def write_rd_map(path: Path, rd: Tensor, scale: RDScale) -> None:
    """Write RD (H, W) in the colours of a scale as a PNG, which names it in its text ``RD``."""
    text = PngInfo()
    text.add_text("RD", str(scale).replace("±", "+-"))  # Latin-1 alone is portable
    _write(path, scale.picture(rd), pnginfo=text)


def write_rd_legend(path: Path, scale: RDScale) -> None:
    """Write the colours of a scale with its numbers."""
    _write(path, scale.legend_picture())


def write_rd_arrays(path: Path, rd: Tensor, losses: Tensor, source_names: Sequence[str]) -> None:
    """Write ``rd`` and ``losses``, (M, H, W), and ``source_names`` as a compressed ``.npz``."""
    write_arrays(
        path,
        {
            "rd": rd.cpu().numpy(),
            "losses": losses.cpu().numpy(),
            "source_names": np.array(source_names),
        },
    )


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as a compressed ``.npz``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its stub knows no **
    write_atomic(path, buffer.getvalue(), durable=False)


def write_atomic(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a file so that it never exists in part; ``durable`` as for ``replace_file``."""
    try:
        replace_file(path, content, durable=durable)
    except FileNotFoundError:  # the first in its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, durable=durable)


def link(source: Path, target: Path) -> bool:
    """Make ``target`` the same file as ``source``, or a copy where the file system has no links.

    Returns:
        Whether there is a source.
    """
    try:
        new = source.stat()
    except FileNotFoundError:
        return False
    try:
        old = target.stat()
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
    else:
        same = (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)
        if os.path.samestat(old, new) or same:
            return True
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:  # FAT, some network drives
        shutil.copy2(source, partial)
    partial.replace(target)
    return True


def _write(path: Path, picture: Image.Image, **options: Any) -> None:
    name = FORMATS[path.suffix.casefold()]
    if name == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    buffer = io.BytesIO()
    picture.save(buffer, format=name, **options)
    write_atomic(path, buffer.getvalue(), durable=False)  # thousands, each made again if lost


def write_json(path: Path, content: Any) -> None:
    """Write plain values; NaN becomes null and infinity text, which JSON has not."""
    write_atomic(path, (json.dumps(plain(content), indent=2) + "\n").encode())


def plain(value: Any) -> Any:
    """The same in what JSON knows: NaN is null, infinity text."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
