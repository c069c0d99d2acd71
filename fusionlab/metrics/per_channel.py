"""Colour as two toolboxes score it: channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor

from fusionlab.metrics.base import ImageMean


def side_by_side(images: Tensor) -> Tensor:
    """The channels beside each other, (..., 3, H, W) to (..., 1, H, 3 W)."""
    return torch.cat(images.split(1, dim=-3), dim=-1)


def matlab_luma(images: Tensor) -> Tensor:
    """Luma as ``rgb2gray`` of MATLAB and Octave has it of 8 bits, (..., 3, H, W) to one channel."""
    weights = images.new_tensor(_MATLAB).view(3, 1, 1)
    return (images * weights).sum(dim=-3, keepdim=True).round()


# the first row of the inverse of NTSC's matrix, as their programs compute it
_MATLAB = (0.298936021293776, 0.587043074451121, 0.114020904255103)


def per_channel(metric: ImageMean, fused: Tensor, sources: Tensor) -> Tensor:
    """Mean of a metric over the colour channels, what the MEFB and VIFB toolboxes do with RGB.

    Convention: ``mefb_rgb`` and ``vifb_rgb`` are this with the metric's ``mefb`` and ``vifb``
    form. Two of their programs make another picture of the three channels, see
    ``ImageMean.of_colour``: VIFB's SF lays them side by side, so that the last column of one meets
    the first of the next, and MEFB's MEF-SSIM takes luma. A grey fused image is scored with the
    luma of its sources, as VIFB's programs do.

    Args:
        metric: Any metric, e.g. ``EdgeIntensity("mefb")``.
        fused: Fused images, (B, 3, H, W), in [0, 255]; (B, 1, H, W) where they are grey.
        sources: Their sources, (B, M, 3, H, W), in [0, 255]; repeat a grey one three times.

    Returns:
        One value per image, (B,), in the metric's unit.

    Raises:
        ValueError: If a shape does not fit.

    Source: Zhang, Information Fusion 74, 2021 (MEFB); Zhang, Ye and Xiao, CVPRW 2020 (VIFB).
    """
    fits = fused.ndim == 4 and sources.ndim == 5 and fused.shape[2:] == sources.shape[3:]
    if not fits or fused.shape[1] not in (1, 3) or sources.shape[2] != 3:
        shapes = f"{tuple(fused.shape)} and {tuple(sources.shape)}"
        raise ValueError(
            f"fused and sources must be (B, 3 or 1, H, W) and (B, M, 3, H, W), got {shapes}"
        )
    if fused.shape[1] == 1:
        return metric.image_scores(fused, matlab_luma(sources))
    picture = metric.of_colour.get(metric.convention_name)
    if picture is not None:
        return metric.image_scores(picture(fused), picture(sources))
    channels = zip(fused.split(1, dim=1), sources.split(1, dim=2), strict=True)
    values = [metric.image_scores(image, own) for image, own in channels]
    return torch.stack(values).mean(dim=0)
