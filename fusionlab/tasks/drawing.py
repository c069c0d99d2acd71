"""Labels and what was found, drawn on nothing, to be laid over any picture of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fusionlab.data.classes import IGNORED, ClassSet
from fusionlab.runs.files import write_atomic

OPACITY = 140  # of a mask, of 255
LEAST_SHOWN = 0.25  # score of a box that is drawn


def write_boxes(
    path: Path,
    size: tuple[int, int],
    objects: Sequence[tuple[str, Sequence[Any]]],
    classes: ClassSet,
    mask: Tensor | None = None,
    mask_classes: ClassSet | None = None,
    scored: bool = False,
) -> None:
    """Write boxes and a mask as a transparent PNG.

    Args:
        path: The file.
        size: Height and width.
        objects: Name of the class, and left, top, right, bottom, score or whether it is ignored.
        classes: Of the boxes.
        mask: Indices of ``mask_classes``, (H, W); the first class and 255 are left out.
        mask_classes: Of the mask.
        scored: Whether boxes have scores, which are written, those below 0.25 left out.
    """
    height, width = size
    canvas = Image.new("RGBA", (width, height))
    if mask is not None and mask_classes is not None:
        canvas = Image.fromarray(_coloured(mask.numpy(), mask_classes))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(9, min(height, width) // 45))
    for name, (left, top, right, bottom, value, *_) in objects:
        if scored and value < LEAST_SHOWN:
            continue
        colour = classes.colour(classes.names.index(name))
        text = f"{name} {value:.2f}" if scored else f"({name})" if value else name
        draw.rectangle((left, top, right - 1, bottom - 1), outline=(*colour, 255), width=2)
        _, _, wide, high = draw.textbbox((0, 0), text, font=font)
        above = top - high - 2 if top > high + 2 else top + 2
        draw.rectangle((left, above, left + wide + 2, above + high + 2), fill=(0, 0, 0, 200))
        draw.text((left + 1, above), text, fill=(255, 255, 255, 255), font=font)
    buffer = BytesIO()
    canvas.save(buffer, format="PNG")
    write_atomic(path, buffer.getvalue())


def _coloured(mask: np.ndarray, classes: ClassSet) -> np.ndarray:
    """(H, W) to RGBA (H, W, 4) uint8."""
    table = np.zeros((IGNORED + 1, 4), np.uint8)
    for index in range(1, len(classes.names)):
        table[index] = (*classes.colour(index), OPACITY)
    return table[mask]
