"""FFMEF: efficient multi-exposure image fusion via filter-dominated fusion.

Zheng et al., CVPR Workshops 2023, https://doi.org/10.1109/CVPRW59228.2023.00281
Authors' code: https://github.com/keviner1/FFMEF
Differs: nothing; mef.pth, mff.pth and vif.pth load as published, without the entries of a counter
of operations. How untrained weights begin is ours: learnt factors with 1 and 0.5, and what the
second ReLU of the filters gets with weights ≥ 0, or every third start would have a filter that no
gradient reaches.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

WIDTH = 4


Luma = TypeVar("Luma", Tensor, float)


def to_studio(luma: Luma) -> Luma:
    """Luma of the full range as luma of the studio range: 0 is 16/255 there, 1 is 235/255."""
    return (16 + 219 * luma) / 255


def from_studio(luma: Luma) -> Luma:
    """The way back from :func:`to_studio`."""
    return (255 * luma - 16) / 219


class ResidualUnit(nn.Module):
    """Two convolutions beside a 1x1 convolution; half of the channels are instance-normalised."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.identity = nn.Conv2d(channels_in, WIDTH, 1)
        self.norm = nn.InstanceNorm2d(WIDTH // 2, affine=True)
        self.conv_1 = nn.Conv2d(channels_in, WIDTH, 3, padding=1)
        self.conv_2 = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, 4, H, W)."""
        normed, others = self.conv_1(x).chunk(2, 1)
        y = F.leaky_relu(torch.cat([self.norm(normed), others], 1), 0.2)
        return self.conv_2(y) + self.identity(x)


class Layer(nn.Module):
    """A residual unit."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(ResidualUnit(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4, H, W) to (N, 4, H, W)."""
        return self.body(x)


class Step(nn.Module):
    """Convolution (``down``) or transposed convolution, instance norm, ReLU; the size stays."""

    def __init__(self, down: bool) -> None:
        super().__init__()
        kind = nn.Conv2d if down else nn.ConvTranspose2d
        layers = (kind(WIDTH, WIDTH, 3, padding=1), nn.InstanceNorm2d(WIDTH, affine=True))
        self.conv = nn.Sequential(*layers, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4, H, W) to (N, 4, H, W), ≥ 0."""
        return self.conv(x)


class Skip(nn.Module):
    """What two maps have together, added to the second, each by a learnt factor."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.alpha1 = nn.Parameter(torch.ones(1))
        self.alpha2 = nn.Parameter(torch.full((1,), 0.5))
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two of (N, 4, H, W) to one."""
        return self.alpha1 * self.body(torch.cat([x, y], 1)) + self.alpha2 * y


def _plain_skip() -> Skip:
    norm = nn.InstanceNorm2d(WIDTH, affine=True)
    return Skip(nn.Conv2d(2 * WIDTH, WIDTH, 1), norm, nn.ReLU())


class Encoder(nn.Module):
    """Three maps of an image, for filters of 1x1, 3x3 and 5x5 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_dowm1, self.layer_dowm2 = Layer(), Layer()  # spelt as in the checkpoints
        self.dowm1, self.dowm2 = Step(down=True), Step(down=True)
        self.layer_bottom = Layer()
        self.layer_up1, self.layer_up2 = Layer(), Layer()
        self.up1, self.up2 = Step(down=False), Step(down=False)
        self.fus1, self.fus2 = Skip(ResidualUnit(2 * WIDTH)), Skip(ResidualUnit(2 * WIDTH))
        self.skip1, self.skip2, self.skip3 = _plain_skip(), _plain_skip(), _plain_skip()
        self.skip4, self.skip5, self.skip6 = _plain_skip(), _plain_skip(), _plain_skip()

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 4, H, W) to three of (N, 4, H, W)."""
        first = self.layer_dowm1(x)
        y = self.skip1(x, self.dowm1(first))
        second = self.layer_dowm2(y)
        z = self.skip3(x, self.skip2(y, self.dowm2(second)))
        bottom = self.layer_bottom(z)
        middle = self.skip4(bottom, self.up2(bottom))
        middle = self.fus2(second, self.layer_up2(middle))
        top = self.skip5(middle, self.up1(middle))
        top = self.fus1(first, self.skip6(bottom, self.layer_up1(top)))
        return [top, middle, bottom]


class CrossAttention(nn.Module):
    """A factor for each source at each pixel, of the maps of both."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Conv2d(2 * WIDTH, WIDTH, 1), nn.ReLU(), nn.Conv2d(WIDTH, 2, 1), nn.Sigmoid())
        self.spatial_attention = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, 2, 4, H, W) to (B, 2, 4, H, W)."""
        return maps * self.spatial_attention(maps.flatten(1, 2)).unsqueeze(2)


class Filters(nn.Module):
    """A filter of ``size`` x ``size`` taps at each pixel; taps may be negative."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, taps = size, size * size
        middle = nn.Conv2d(WIDTH, taps, size, padding=size // 2)
        nn.init.uniform_(middle.weight, 0, (WIDTH * taps) ** -0.5)
        nn.init.zeros_(middle.bias)  # type: ignore[arg-type]  # it has one
        self.spatial_attention = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(),
            middle,
            nn.ReLU(),
            nn.Conv2d(taps, taps, 1),
        )

    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        """Filtered images, (N, 1, H, W), zeros around them, by the filters of (N, 4, H, W)."""
        taps = self.spatial_attention(maps)
        neighbours = F.unfold(images, self.size, padding=self.size // 2)
        return (taps * neighbours.view_as(taps)).sum(1, keepdim=True)


class FFMEF(FusionNetwork):
    """Each source filtered with what is predicted for its pixels, and the sum of both.

    Takes two sources, on which the filters depend in their order: infrared first, under-exposed
    first. RD scales the filtered luma, in the studio range. The uni-source component of a source is
    the network with that source on both inputs. Norms are those of whole images: a part of an image
    fuses differently alone.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mef": ("under", "over"),
    }
    output_range: ClassVar[tuple[float, float] | None] = (from_studio(0.0), from_studio(1.0))
    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 900
    objective: ClassVar[str] = "ffmef"
    paper: ClassVar[str] = "Zheng et al., CVPR Workshops 2023"
    tasks: ClassVar[tuple[str, ...]] = ("mef", "mff", "vif")
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "mef.pth",
            sha256="b394fbacaab3fe163cbe8096d4f4b25fa399e17620e76dc19ac8a784f83e4cf4",
            tasks=("mef",),
        ),
        Published(
            "mff.pth",
            sha256="c85073008a323b301db9fbff6273f601298d16df082aa2fbe2072709ae6db0c8",
            tasks=("mff",),
        ),
        Published(
            "vif.pth",
            sha256="4a7284997bb3323685661e16dba8b6a4dd9b844962121f8a2e55f05f13c799f5",
            tasks=("vif",),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.preconv = nn.Conv2d(1, WIDTH, 1)
        self.encoder = Encoder()
        self.sca1, self.sca2, self.sca3 = CrossAttention(), CrossAttention(), CrossAttention()
        self.kp1, self.kp2, self.kp3 = Filters(1), Filters(3), Filters(5)
        self.alpha1 = nn.Parameter(torch.ones(1))
        self.alpha2 = nn.Parameter(torch.full((1,), 0.5))
        self.alpha3 = nn.Parameter(torch.full((1,), 0.5))

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The weights, which lie below ``model``; ``encode`` is a method here, not a module."""
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            return content
        return {
            f"encoder.{key.removeprefix('encode.')}" if key.startswith("encode.") else key: value
            for key, value in content["model"].items()
            if key.rpartition(".")[2] not in ("total_ops", "total_params")
        }

    def encode(self, sources: Tensor) -> Tensor:
        """Filtered luma, jointly: (B, 2, 1, H, W) in [0, 1] to the same shape, studio range."""
        images = to_studio(sources)
        maps = self.encoder(self.preconv(images.flatten(0, 1)))
        return self._filtered(images, [x.unflatten(0, images.shape[:2]) for x in maps])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """The sum over the two sources, (B, 1, H, W)."""
        first, second = scale_features(features, gain)
        return first + second

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 1, H, W) of the studio range to the full range, unclamped."""
        return from_studio(combined)

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        images = to_studio(sources.flatten(0, 1))
        maps = [_twice(x) for x in self.encoder(self.preconv(images))]
        alone = self._filtered(_twice(images), maps)
        return self.decode(self.combine(alone), sources).unflatten(0, sources.shape[:2])

    def _filtered(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        """(B, 2, 1, H, W), filtered by the filters of three maps (B, 2, 4, H, W), and added."""
        levels = zip(
            (self.alpha1, self.alpha2, self.alpha3),
            (self.kp1, self.kp2, self.kp3),
            (self.sca1, self.sca2, self.sca3),
            maps,
            strict=True,
        )
        filtered = sum(
            alpha * filters(images.flatten(0, 1), attention(x).flatten(0, 1))
            for alpha, filters, attention, x in levels
        )
        assert isinstance(filtered, Tensor)
        return filtered.unflatten(0, images.shape[:2])


def _twice(x: Tensor) -> Tensor:
    """(N, F, H, W) to (N, 2, F, H, W)."""
    return x.unsqueeze(1).expand(-1, 2, -1, -1, -1)
