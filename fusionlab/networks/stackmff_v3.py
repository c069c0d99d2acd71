"""StackMFF V3 of OpenFocus: how sharp each pixel of each image of a stack is, by attention alone.

Cited in :mod:`fusionlab.networks.stackmff`, which fuses by it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import cut, next_multiple

WIDTH, HEADS = 48, 3
PATCH = 4  # pixels along a side of a token
WINDOW, SHIFT = 8, 4  # tokens
MULTIPLE = 64  # height and width
SCALE = (3, 4)  # of the second look, as a fraction
SIGMA, RADIUS = 0.5, 2  # of the smoothing, pixels


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(..., 48) to the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    """The layers of a transformer block; what attends to what is the subclass's."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = MLP()

    def attended(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Groups of tokens, (..., n, 48), each attending to its group; ``bias`` (..., 3, n, n)."""
        parts = self.qkv(x).unflatten(-1, (3, HEADS, -1)).transpose(-4, -2)  # (..., 3, 3, n, 16)
        query, key, value = parts.unbind(-3)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(found.transpose(-3, -2).flatten(-2))


class WindowAttention(Attention):
    """Attention within windows of 8x8 tokens of an image.

    Args:
        shift: Tokens by which the windows are shifted.
    """

    distance: Tensor

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift
        distances = (2 * WINDOW - 1) ** 2
        self.rel_pos_bias_table = nn.Parameter(0.02 * torch.randn(distances, HEADS))
        place = torch.arange(WINDOW)
        points = torch.cartesian_prod(place, place)
        down, right = (points[:, None] - points[None] + WINDOW - 1).unbind(-1)  # query from key
        self.register_buffer("distance", (2 * WINDOW - 1) * down + right, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of images, (N, h, w, 48), h and w multiples of 8, to the same."""
        size = (x.shape[1], x.shape[2])
        bias = self.rel_pos_bias_table[self.distance].permute(2, 0, 1)
        if self.shift:
            bias = bias + _apart(size, x.device).unsqueeze(1).to(bias)
        tokens = self.norm1(x).roll((-self.shift, -self.shift), (1, 2))
        found = _image(self.attended(_windows(tokens), bias), size)
        x = x + found.roll((self.shift, self.shift), (1, 2))
        return x + self.mlp(self.norm2(x))


class StackAttention(Attention):
    """Attention among the images of a stack, at each square of 2x2 tokens; order does not count."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, h, w, 48), h and w even, to the same."""
        pooled = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))
        stacks = self.norm1(pooled).movedim(1, 3)  # (B, h/2, w/2, N, 48)
        found = pooled + self.attended(stacks).movedim(3, 1)
        found = found + self.mlp(self.norm2(found))
        change = (found - pooled).flatten(0, 1).permute(0, 3, 1, 2)
        change = F.interpolate(change, scale_factor=2, mode="bilinear", align_corners=False)
        return x + change.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])


class Unit(nn.Module):
    """Attention within the images and among them, twice; the second time windows are shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.intra_a, self.inter_a = WindowAttention(0), StackAttention()
        self.intra_b, self.inter_b = WindowAttention(SHIFT), StackAttention()

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, h, w, 48) to the same."""
        for within, among in ((self.intra_a, self.inter_a), (self.intra_b, self.inter_b)):
            x = among(within(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
        return x


class Head(nn.Module):
    """From a token to its 4x4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.proj = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, PATCH**2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, 48) to (N, 1, 4h, 4w)."""
        return F.pixel_shuffle(self.proj(self.norm(x)).permute(0, 3, 1, 2), PATCH)


class FocusLogits(nn.Module):
    """Logits of the images of a stack, whose order does not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, WIDTH, PATCH, PATCH), nn.LayerNorm(WIDTH)
        self.u4a, self.u4b = Unit(), Unit()
        self.head = Head()

    def forward(self, luma: Tensor) -> Tensor:
        """(B, N, 1, H, W) in [0, 1], H and W multiples of 48 or 64, to logits of that shape."""
        height, width = luma.shape[3:]
        below, right = (next_multiple(side, MULTIPLE) - side for side in (height, width))
        sides = (0, right, 0, below)
        images = F.pad(luma.flatten(0, 1), sides, "reflect")
        tokens = self.stem(images).permute(0, 2, 3, 1)
        tokens = self.u4b(self.u4a(self.stem_norm(tokens).unflatten(0, luma.shape[:2])))
        logits = self.head(tokens.flatten(0, 1)).unflatten(0, luma.shape[:2])
        return cut(logits, (height, width))

    def probabilities(self, luma: Tensor) -> Tensor:
        """Which image is the sharpest: the mean of a look at full size and one at three quarters.

        Args:
            luma: (B, N, 1, H, W) in [0, 1], H and W multiples of 64.

        Returns:
            (B, N, 1, H, W), summing to 1 over N.
        """
        height, width = luma.shape[3:]
        full = self(luma).float().softmax(1)
        size = [side * SCALE[0] // SCALE[1] for side in (height, width)]
        smaller = F.interpolate(luma.flatten(0, 1), size, mode="bilinear", antialias=True)
        second = self(smaller.unflatten(0, luma.shape[:2])).float().softmax(1)
        again = F.interpolate(second.flatten(0, 1), (height, width), mode="bilinear")
        return (full + again.unflatten(0, luma.shape[:2])) / 2


def smoothed(probabilities: Tensor) -> Tensor:
    """(B, N, 1, H, W), each map smoothed by a Gaussian, summing to 1 over N again."""
    place = torch.arange(-RADIUS, RADIUS + 1, device=probabilities.device)
    kernel = (-place.square() / (2 * SIGMA**2)).exp().to(probabilities)
    kernel = kernel / kernel.sum()
    x = F.pad(probabilities.flatten(0, 1), [RADIUS] * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    maps = x.unflatten(0, probabilities.shape[:2])
    return maps / maps.sum(1, keepdim=True)


def _windows(x: Tensor) -> Tensor:
    """(N, h, w, F) to (N, windows, 64, F)."""
    x = x.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


def _image(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`_windows`."""
    rows, columns = (side // WINDOW for side in size)
    x = windows.unflatten(2, (WINDOW, WINDOW)).unflatten(1, (rows, columns))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _apart(size: tuple[int, int], device: torch.device) -> Tensor:
    """-100 between tokens of a shifted window that are not neighbours, (windows, 64, 64)."""
    rows, columns = (
        (place >= side - WINDOW).int() + (place >= side - SHIFT).int()
        for side in size
        for place in [torch.arange(side, device=device)]
    )
    regions = _windows((3 * rows[:, None] + columns)[None, ..., None])[0, ..., 0]
    return -100.0 * (regions[:, :, None] != regions[:, None, :])
