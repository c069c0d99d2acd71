"""Backbones of timm, for detectors and segmenters on pictures."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.downloads import download, is_address

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
HUB = "hub"


def create_backbone(name: str, pretrained: str | None = None) -> nn.Module:
    """A backbone of timm that gives maps, finest first, with ``feature_info``.

    Args:
        name: Its name in timm.
        pretrained: Weights to start from: a path, an address (``https://…``,
            ``hf://owner/name/file``), or ``hub`` for timm's own; None for random ones.

    Raises:
        InputError: If timm has no such backbone, or the weights do not fit.
    """
    overlay = {}
    if pretrained not in (None, HUB):
        given = str(pretrained)
        file = download(given) if is_address(given) else Path(given)
        if not file.is_file():
            raise InputError(f"no file {given}; set training.options.pretrained to weights or hub")
        overlay = {"file": str(file)}
    try:
        backbone: nn.Module = timm.create_model(
            name,
            features_only=True,
            pretrained=pretrained is not None,
            pretrained_cfg_overlay=overlay,
        )
    except (RuntimeError, OSError, AssertionError, AttributeError, KeyError) as fault:
        said = " ".join(str(fault).split())[:200]
        raise InputError(
            f"backbone {name} cannot be made ({said}); name one of timm's that gives features"
        ) from None
    return backbone


def normalised(pictures: Tensor) -> Tensor:
    """RGB levels from 0 to 255, (B, 3, H, W), as backbones of ImageNet take them."""
    pictures = pictures.float() / 255
    mean, deviation = (pictures.new_tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
    return (pictures - mean) / deviation
