"""Networks small enough to be differentiated by hand."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks import FusionNetwork, scale_features


class Dim(FusionNetwork):
    """Features are the sources, the rule is their mean, the decoder halves it."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined / 2


class Smooth(FusionNetwork):
    """Three channels, mean rule, a decoder without kinks."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, 3, 3, padding=1)
        self.decoder = nn.Conv2d(3, 1, 3, padding=1)

    def encode(self, sources: Tensor) -> Tensor:
        return self.encoder(sources.flatten(0, 1)).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return self.decoder(combined).sigmoid()


class TwoBranches(Smooth):
    """Features of 2 and 1 channels, the second at half the size, which the decoder enlarges."""

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        features = super().encode(sources)
        coarse = F.avg_pool2d(features[:, :, 2:].flatten(0, 1), 2)
        return features[:, :, :2], coarse.unflatten(0, sources.shape[:2])

    def combine(
        self, features: tuple[Tensor, Tensor], gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        fine, coarse = (super(TwoBranches, self).combine(part, gain) for part in features)
        return fine, coarse

    def decode(self, combined: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        fine, coarse = combined
        return super().decode(torch.cat([fine, F.interpolate(coarse, fine.shape[2:])], 1), sources)


class Patches(FusionNetwork):
    """Tokens of patches of 2x2 pixels: mean rule, a linear layer and a sigmoid decode them.

    Args:
        as_maps: Whether the same features are maps, (B, M, 3, H/2, W/2).
    """

    size_multiple = reduction = 2

    def __init__(self, as_maps: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 3), nn.Linear(3, 4)
        self.as_maps = as_maps

    def encode(self, sources: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(sources.flatten(0, 1), 2)  # (B·M, 4, h, w)
        maps = self.encoder(patches.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.as_maps:
            return maps.unflatten(0, sources.shape[:2])
        return maps.flatten(2).mT.unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        if not self.as_maps:
            combined = combined.mT.unflatten(2, [size // 2 for size in sources.shape[-2:]])
        patches = self.decoder(combined.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.pixel_shuffle(patches, 2).sigmoid()


class Halves(FusionNetwork):
    """Features are the sources twice, the second time negated; the component is half the source.

    So the gradient of the squared error is 2 (x/2 - x) / 2 = -x/2 in channel 0.
    """

    def encode(self, sources: Tensor) -> Tensor:
        return torch.cat([sources, -sources], 2)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined[:, :1] / 2


class Counting(Smooth):
    """Notes how often each part runs, and lets a clock go on while it does.

    Args:
        encoding: Seconds that encoding takes.
        decoding: Seconds that decoding takes.
    """

    def __init__(self, encoding: float = 0, decoding: float = 0) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.seconds = {"encode": encoding, "decode": decoding}
        self.now = 0.0

    def encode(self, sources: Tensor) -> Tensor:
        self._note("encode")
        return super().encode(sources)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        self._note("decode")
        return super().decode(combined, sources)

    def _note(self, part: str) -> None:
        self.calls.append(part)
        self.now += self.seconds[part]
