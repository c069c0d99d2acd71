"""Colour as two toolboxes score it: channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor

from fusionlab.metrics.base import ImageMean


def per_channel(metric: ImageMean, fused: Tensor, sources: Tensor) -> Tensor:
    """Mean of a metric over the colour channels, what the MEFB and VIFB toolboxes do with RGB.

    Convention: ``mefb_rgb`` and ``vifb_rgb`` are this with the metric's ``mefb`` and ``vifb``
    form. Two of their programs differ: MEFB's MEF-SSIM takes luma without rounding it, and VIFB's
    SF of colour images is something else, one per cent larger. An evaluation scores luma, as
    nearly every other code base.

    Args:
        metric: Any metric, e.g. ``EdgeIntensity("mefb")``.
        fused: Fused images, (B, 3, H, W), in [0, 255].
        sources: Their sources, (B, M, 3, H, W), in [0, 255]; repeat a grey one three times.

    Returns:
        One value per image, (B,), in the metric's unit.

    Raises:
        ValueError: If a shape does not fit.

    Source: Zhang, Information Fusion 74, 2021 (MEFB); Zhang, Ye and Xiao, CVPRW 2020 (VIFB).
    """
    if fused.ndim != 4 or sources.ndim != 5 or fused.shape[1:] != sources.shape[2:]:
        shapes = f"{tuple(fused.shape)} and {tuple(sources.shape)}"
        raise ValueError(
            f"fused and sources must be (B, 3, H, W) and (B, M, 3, H, W), got {shapes}"
        )
    channels = zip(fused.split(1, dim=1), sources.split(1, dim=2), strict=True)
    values = [metric.image_scores(image, own) for image, own in channels]
    return torch.stack(values).mean(dim=0)
