"""What a segmenter is, and its pixels counted against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from fusionlab.data.classes import IGNORED


class Segmenter(nn.Module):
    """Gives every pixel of a picture a class, in evaluation mode.

    Args:
        names: Of its classes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.file: dict[str, str] = {}  # where its weights come from

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores of the classes.

        Args:
            pictures: (B, 3, H, W), RGB levels from 0 to 255, uint8 or float.

        Returns:
            (B, K, H, W).
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What a result says of it: plain values."""
        raise NotImplementedError


def count_pixels(found: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Pixels that are rightly given each class, wrongly given it, and missed.

    Args:
        found: Indices of classes, (H, W); those from K on are no class of the data.
        truth: Indices of classes, (H, W); 255 counts for nothing.
        classes: Number of classes K.

    Returns:
        (K, 3) int64.
    """
    found = found.clamp(max=classes)
    matrix = multiclass_confusion_matrix(
        found.flatten(), truth.flatten(), num_classes=classes + 1, ignore_index=IGNORED
    )
    right = matrix.diagonal()
    counts = torch.stack([right, matrix.sum(0) - right, matrix.sum(1) - right], dim=1)
    return counts[:classes]
