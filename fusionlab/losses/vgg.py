"""Features of a VGG network, whose published weights are given as a file.

Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556
Weights: VGG-16 and VGG-19 of torchvision or timm (keys ``features.0.weight`` ...), or any in their
layout; layers may be narrower. The layers above the convolutions are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.downloads import download, is_address

BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions between max pools


class VGG(nn.Module):
    """The convolutions of a VGG network, frozen.

    Args:
        depth: 16 or 19.
        path: File or address of the weights.
        option: Name of the option that gives the path, for messages.

    Raises:
        InputError: If there is no such file, or it holds something else.
    """

    def __init__(self, depth: int, path: str | None, option: str = "training.options.vgg") -> None:
        super().__init__()
        remedy = f"give {option} the file of VGG-{depth}'s weights as torchvision or timm has them"
        if not isinstance(path, str):
            raise InputError(f"the objective learns with a VGG-{depth}, got {path!r}; {remedy}")
        state = read_checkpoint(download(path) if is_address(path) else path).state
        self.blocks = nn.ModuleList()
        index, channels = 0, 3
        for count in BLOCKS[depth]:
            block = nn.ModuleList()
            for _ in range(count):
                weight, bias = (state.get(f"features.{index}.{x}") for x in ("weight", "bias"))
                if weight is None or bias is None or weight.shape[1:] != (channels, 3, 3):
                    raise InputError(f"{path} is no VGG-{depth} (features.{index}); {remedy}")
                block.append(_convolution(weight, bias))
                index, channels = index + 2, len(weight)
            self.blocks.append(block)
            index += 1  # the pool
        if f"features.{index}.weight" in state:
            raise InputError(f"{path} is deeper than VGG-{depth}; {remedy}")
        self.requires_grad_(False)

    def forward(self, images: Tensor, levels: Sequence[int]) -> list[Tensor]:
        """Features after the ReLU of the last convolution of blocks, no further than needed.

        Args:
            images: (N, 3, H, W), as the weights want them.
            levels: Blocks, from 1, ascending.

        Returns:
            (N, F, h, w) of each level; h and w are halved, rounded down, from block to block.
        """
        found = []
        for level, block in enumerate(self.blocks[: levels[-1]], 1):
            if level > 1:
                images = F.max_pool2d(images, 2)
            for convolution in block:  # type: ignore[attr-defined]  # a list of them
                images = F.relu(convolution(images))
            if level in levels:
                found.append(images)
        return found


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    with torch.device("meta"):  # draws no random numbers
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
    return layer
