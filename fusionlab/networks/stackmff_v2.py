"""StackMFF V2: how much in focus each pixel of each image of a stack is, seen along the stack.

Cited in :mod:`fusionlab.networks.stackmff`, which fuses by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (8, 16, 24, 32, 48)  # channels from a half to a 32nd of the height
BOTTOM = 64
MULTIPLE = 32  # height and width
GROUPS = 4  # of a norm
HIDDEN = 16  # channels of the recurrent state


class Mixer(nn.Module):
    """A 1x1 convolution, then 3x3, 1x11 and 11x1 convolutions of an eighth of the channels each."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        few = channels_out // 8
        self.parts = (channels_out - 3 * few, few, few, few)
        self.channel_adj = nn.Conv2d(channels_in, channels_out, 1)
        self.dwconv_hw = nn.Conv2d(few, few, 3, padding=1, groups=few)
        self.dwconv_w = nn.Conv2d(few, few, (1, 11), padding=(0, 5), groups=few)
        self.dwconv_h = nn.Conv2d(few, few, (11, 1), padding=(5, 0), groups=few)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        same, square, row, column = self.channel_adj(x).split(self.parts, dim=1)
        return torch.cat(
            [same, self.dwconv_hw(square), self.dwconv_w(row), self.dwconv_h(column)], 1
        )


class SpatialAttention(nn.Module):
    """Weighs the pixels of maps by the mean and the largest of their channels."""

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv2d(2, 1, 7, padding=9, dilation=3)
        self.shared_conv2d = nn.Sequential(convolution, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to the same."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return self.shared_conv2d(summary) * x


class ChannelAttention(nn.Module):
    """Weighs the channels of all levels by the means of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.get_all_att = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        for k, width in enumerate(WIDTHS, 1):
            self.add_module(f"att{k}", nn.Linear(sum(WIDTHS), width))

    def forward(self, levels: list[Tensor]) -> Iterable[Tensor]:
        """Maps (N, F, h, w) to their weights, (N, F, 1, 1) in (0, 1), level by level."""
        means = torch.cat([x.mean((2, 3)) for x in levels], 1)
        means = self.get_all_att(means.unsqueeze(1)).squeeze(1)
        layers = (getattr(self, f"att{k}") for k in range(1, 1 + len(levels)))
        return (layer(means).sigmoid()[..., None, None] for layer in layers)


class Bridge(nn.Module):
    """What the encoder hands to the decoder, weighed by pixels and by channels."""

    def __init__(self) -> None:
        super().__init__()
        self.satt, self.catt = SpatialAttention(), ChannelAttention()

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Maps (N, F, h, w) to the same, level by level."""
        weighed = [self.satt(x) for x in levels]
        both = [x + y for x, y in zip(levels, weighed, strict=True)]
        weights = self.catt(both)
        return [a * x + y for a, x, y in zip(weights, both, weighed, strict=True)]


class FeatureExtraction(nn.Module):
    """A U-Net that finds what is in focus in an image by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder1 = nn.Sequential(nn.Conv2d(1, WIDTHS[0], 3, padding=1))
        for k, (before, width) in enumerate(zip(WIDTHS, (*WIDTHS[1:], BOTTOM), strict=True), 2):
            self.add_module(f"encoder{k}", nn.Sequential(Mixer(before, width)))
        rising = (BOTTOM, *reversed(WIDTHS))
        for k, width in enumerate(WIDTHS, 1):
            self.add_module(f"ebn{k}", nn.GroupNorm(GROUPS, width))
            self.add_module(f"decoder{k}", nn.Sequential(Mixer(rising[k - 1], rising[k])))
            self.add_module(f"dbn{k}", nn.GroupNorm(GROUPS, rising[k]))
        self.scab = Bridge()
        self.final = nn.Conv2d(WIDTHS[0], WIDTHS[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, 8, H, W) in (0, 1)."""
        part = partial(getattr, self)
        levels: list[Tensor] = []
        for k in range(1, 1 + len(WIDTHS)):
            x = part(f"ebn{k}")(part(f"encoder{k}")(x))
            x = F.gelu(F.max_pool2d(x, 2))
            levels.append(x)
        *finer, coarsest = self.scab(levels)
        x = F.gelu(part(f"encoder{1 + len(WIDTHS)}")(x))
        x = F.gelu(part("dbn1")(part("decoder1")(x))) + coarsest
        for k, handed in enumerate(reversed(finer), 2):
            x = part(f"dbn{k}")(part(f"decoder{k}")(x))
            x = F.gelu(_twice_as_large(x)) + handed
        return _twice_as_large(self.final(x)).sigmoid()


class Cell(nn.Module):
    """A convolutional gated recurrent unit (GRU)."""

    def __init__(self) -> None:
        super().__init__()
        inputs = WIDTHS[0] + HIDDEN
        self.conv_gates = nn.Conv2d(inputs, 2 * HIDDEN, 3, padding=1)
        self.conv_can = nn.Conv2d(inputs, HIDDEN, 3, padding=1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """The state after an image: (B, 8, H, W) and (B, 16, H, W) to (B, 16, H, W)."""
        reset, update = self.conv_gates(torch.cat([x, state], 1)).sigmoid().chunk(2, dim=1)
        candidate = self.conv_can(torch.cat([x, reset * state], 1)).tanh()
        return (1 - update) * state + update * candidate


class Interaction(nn.Module):
    """A recurrent unit along the stack, and another one back."""

    def __init__(self) -> None:
        super().__init__()
        self.forward_cell_list = nn.ModuleList([Cell()])
        self.backward_cell_list = nn.ModuleList([Cell()])

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, 8, H, W) to (B, N, 16, H, W)."""
        there = _states(self.forward_cell_list[0], x.unbind(1))
        back = _states(self.backward_cell_list[0], x.unbind(1)[::-1])[::-1]
        return torch.stack(there, 1) + torch.stack(back, 1)


class FocusScores(nn.Module):
    """Scores of the images of a stack, in the order of their focus."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extraction = FeatureExtraction()
        self.layer_interaction = nn.ModuleDict({"layer_interaction_depth": Interaction()})

    def forward(self, luma: Tensor) -> Tensor:
        """(B, N, 1, H, W) in [0, 1], H and W multiples of 32, to scores of the same shape."""
        focus = self.focus(luma)
        states = self.layer_interaction["layer_interaction_depth"](focus)
        return states.amax(2, keepdim=True)

    def focus(self, luma: Tensor) -> Tensor:
        """What is in focus in each image by itself, (B, N, 1, H, W) to (B, N, 8, H, W)."""
        return self.feature_extraction(luma.flatten(0, 1)).unflatten(0, luma.shape[:2])


def _states(cell: nn.Module, images: tuple[Tensor, ...]) -> list[Tensor]:
    """The state after each image."""
    first = images[0]
    state = first.new_zeros(len(first), HIDDEN, *first.shape[2:])
    states = []
    for image in images:
        state = cell(image, state)
        states.append(state)
    return states


def _twice_as_large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
