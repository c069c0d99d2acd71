"""Colour, decided once: what a network sees, what it gives back, what a metric sees.

Luma and chroma are those of JPEG files: ITU-R BT.601 over the full range.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FROM_RGB = torch.tensor(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ],
    dtype=torch.float64,
)
_TO_RGB = torch.linalg.inv(_FROM_RGB)
_LUMA_16_BIT = (19595, 38470, 7471)  # Pillow's integers: 65536 times 0.299, 0.587, 0.114


def is_grey(image: Tensor) -> bool:
    """Whether (C, H, W) has one channel, or three equal ones."""
    return image.shape[0] == 1 or bool((image == image[:1]).all())


def to_luma(image: Tensor) -> Tensor:
    """(C, H, W) to its luma (1, H, W), not rounded; equal channels stay as they are."""
    if is_grey(image):
        return image[:1]
    return (_FROM_RGB[0].to(image)[:, None, None] * image).sum(0, keepdim=True)


def to_rgb(image: Tensor) -> Tensor:
    """(C, H, W) to (3, H, W): a grey image three times."""
    return image.expand(3, -1, -1)


def to_chroma(image: Tensor) -> Tensor:
    """(3, H, W) to blue and red difference (2, H, W), each in [−0.5, 0.5], 0 for grey."""
    return torch.einsum("yc,chw->yhw", _FROM_RGB[1:].to(image), image)


def merge_chroma(images: list[Tensor], task: str) -> Tensor:
    """The chroma of a fused image.

    Convention: ``vif`` and ``mif`` keep that of the most coloured source (largest mean distance
    from neutral: the visible image, PET, SPECT); ``mef`` and ``mff`` average over the sources,
    each weighted by its distance from neutral, as IFCNN's authors do; 0/0 is neutral.

    Args:
        images: Sources, each (1, H, W) or (3, H, W) in [0, 1].
        task: ``vif``, ``mif``, ``mef`` or ``mff``.

    Returns:
        (2, H, W) in [−0.5, 0.5]; 0 where every source is grey.
    """
    neutral = images[0].new_zeros(1, 1, 1).expand(2, *images[0].shape[1:])
    found = [neutral if is_grey(image) else to_chroma(image) for image in images]
    if all(one is neutral for one in found):
        return neutral
    if task in ("vif", "mif"):
        return max(found, key=lambda one: one.abs().mean().item())
    chroma = torch.stack(found)
    distance = chroma.abs()
    total = distance.sum(0)
    return torch.where(total > 0, (chroma * distance).sum(0) / total.where(total > 0, 1), 0)


def with_chroma(luma: Tensor, chroma: Tensor) -> Tensor:
    """Luma (B, 1, H, W) and chroma (B, 2, H, W) to RGB (B, 3, H, W), not clamped."""
    return torch.einsum("cy,byhw->bchw", _TO_RGB.to(luma), torch.cat([luma, chroma.to(luma)], 1))


def to_levels(image: Tensor) -> Tensor:
    """What a file holds: (..., C, H, W) clamped to [0, 1] and rounded to 0 … 255, as uint8."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def grey_levels(image: Tensor) -> Tensor:
    """What a metric sees: the luma of the 8-bit image.

    Args:
        image: (B, C, H, W), C = 1 or 3, in [0, 1] (values outside are clamped).

    Returns:
        (B, 1, H, W), uint8; three channels are weighted in integers, as Pillow's mode L.
    """
    return levels_luma(to_levels(image))


def levels_luma(levels: Tensor) -> Tensor:
    """The luma of 8-bit pictures, (..., C, H, W) uint8 to (..., 1, H, W) uint8; C = 1 or 3."""
    if levels.shape[-3] == 1:
        return levels
    red, green, blue = levels.to(torch.int32).split(1, dim=-3)
    r, g, b = _LUMA_16_BIT
    return ((r * red + g * green + b * blue + 32768) // 65536).to(torch.uint8)
