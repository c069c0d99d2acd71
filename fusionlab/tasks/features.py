"""Fused features of a fusion network, for heads that detect or segment without a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class TokenPyramid(nn.Module):
    """Maps of tokens, all of one grid, to a pyramid: 1, 2, 4 and 8 pixels for a patch of 16.

    DeFusion++'s segmentation head (Liang et al., arXiv 2410.12274, its code): tokens are spread to
    4×4 pixels each, then the finer levels are enlarged. Differs: the tokens of both sources stand
    side by side where the authors have a cross-attention block per level.

    Args:
        channels: Of the four maps.
        width: Channels of the pyramid; the authors have 768.
    """

    SPREAD = (192, 192, 192, 80)

    def __init__(self, channels: Sequence[int], width: int = 768) -> None:
        super().__init__()
        spread = zip(channels, self.SPREAD, strict=True)
        self.tokens = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(one), nn.Linear(one, 16 * inner)) for one, inner in spread
        )
        first, second, third, fourth = self.SPREAD
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(first, width // 2, 2, 2),
                    nn.GroupNorm(1, width // 2),
                    nn.GELU(),
                    nn.ConvTranspose2d(width // 2, width, 2, 2),
                ),
                nn.ConvTranspose2d(second, width, 2, 2),
                nn.Conv2d(third, width, 1),
                nn.Sequential(nn.GELU(), nn.Conv2d(fourth, width, 3, 2, 1)),
            ]
        )
        self.channels = [width] * 4

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Four maps (B, F, h, w) to (B, width, 16h, 16w), then 8h, 4h and 2h."""
        found = []
        for tokens, level, one in zip(self.tokens, self.levels, maps, strict=True):
            spread = tokens(one.movedim(1, 3)).movedim(3, 1)
            found.append(level(F.pixel_shuffle(spread, 4)))
        return found


class SourceHead(nn.Module):
    """What heads on fused features share: the levels that they stand on.

    Args:
        representation: The network as a backbone, ``network.representation``; it is not part of
            the head.
        names: Of the classes.
        width: Channels in the head.
        pyramid: Channels of the pyramid that tokens are spread to.
    """

    def __init__(
        self, representation: nn.Module, names: Sequence[str], width: int, pyramid: int
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.options = {"names": list(names), "width": width, "pyramid": pyramid}
        info: Any = representation.feature_info
        self.channels, self.reductions = info.channels(), info.reduction()
        self.multiple = max(self.reductions)
        self.pyramid: nn.Module | None = None
        if len(self.channels) == 4 and len(set(self.reductions)) == 1:
            self.pyramid = TokenPyramid(self.channels, pyramid)
            self.channels = self.pyramid.channels
            self.reductions = [self.multiple // 2**k for k in (4, 3, 2, 1)]

    def padded(self, sources: Tensor) -> Tensor:
        """Sources (B, M, C, H, W) continued by their border to sides that the features divide."""
        height, width = sources.shape[3:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        flat = F.pad(sources.flatten(0, 1), padding, mode="replicate")
        return flat.unflatten(0, sources.shape[:2])

    def levels(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """Maps of the representation as levels, finest first."""
        found: Sequence[Tensor] = maps if self.pyramid is None else self.pyramid(maps)
        return found
