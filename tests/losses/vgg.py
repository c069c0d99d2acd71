"""A VGG network of two channels, in the layout of torchvision."""

from pathlib import Path

import torch
from torch import Tensor

from fusionlab.losses.vgg import BLOCKS


def save_vgg(path: Path, depth: int, width: int = 2) -> str:
    """Write random weights; returns the path."""
    generator = torch.Generator().manual_seed(depth)
    state: dict[str, Tensor] = {}
    index, channels = 0, 3
    for count in BLOCKS[depth]:
        for _ in range(count):
            shape = (width, channels, 3, 3)
            state[f"features.{index}.weight"] = torch.randn(shape, generator=generator) / 3
            state[f"features.{index}.bias"] = torch.rand(width, generator=generator)
            index, channels = index + 2, width
        index += 1
    torch.save(state, path)
    return str(path)
