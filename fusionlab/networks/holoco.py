"""HoLoCo: holistic and local contrastive learning for multi-exposure image fusion.

Liu et al., Information Fusion 95, 2023, https://doi.org/10.1016/j.inffus.2023.02.027
Authors' code: https://github.com/JinyuanLiu-CV/HoLoCo
Differs: images keep their size and orientation; the authors' script changes the size to 592x400
pixels and swaps the axes, for which there is an option. The checkpoint is the folder of its
authors' files; layers of the attention networks that never run are left out.
"""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published
from fusionlab.settings import Task

UNUSED = ("sAtt_3.", "sAtt_4.", "sAtt_L2.", "sAtt_L3.")  # stored in A_1.pth and A_2.pth
# of A_1.pth with A_2.pth
ATTENTION = "2de288d42df90968283c435f7de03a3d10af187c86425b3bfb0ca30c274e7aa8"
SHARES = (0.6, 0.4)  # of G_A and G_B in the picture
LUMA = (0.299, 0.587, 0.114)
LEVELS = 4  # halvings of the U-Nets


class Convolution(nn.Conv2d):
    """A convolution that keeps the size, or one of images whose axes are swapped."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, transposed: bool) -> None:
        super().__init__(channels_in, channels_out, kernel, padding=kernel // 2)
        self.swapped = transposed

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        weight = self.weight.mT if self.swapped else self.weight
        return F.conv2d(x, weight, self.bias, padding=self.padding)


class Attention(nn.Module):
    """How much each value of an exposure counts."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.fe1 = Convolution(3, 64, 3, transposed)
        self.fe2 = Convolution(64, 64, 3, transposed)
        self.sAtt_1, self.sAtt_2 = nn.Conv2d(64, 64, 1), nn.Conv2d(128, 64, 1)
        self.sAtt_L1 = nn.Conv2d(64, 64, 1)
        self.sAtt_5 = Convolution(64, 3, 3, transposed)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3, H, W) in (0, 1)."""
        x = image.contiguous(memory_format=torch.channels_last)
        for layer in (self.fe1, self.fe2, self.sAtt_1):
            x = F.leaky_relu(layer(x), 0.1)
        pooled = torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1)], 1)
        for layer in (self.sAtt_2, self.sAtt_L1):
            pooled = F.leaky_relu(layer(pooled), 0.1)
        wide = F.interpolate(pooled, image.shape[2:], mode="bilinear", align_corners=False)
        return self.sAtt_5(x + wide).sigmoid()


class UNet(nn.Module):
    """A U-Net whose maps are weighed by brightness.

    Args:
        divides: Whether it divides the image by what it finds, in place of adding it.
        width: Channels of the first level.
        transposed: See :class:`HoLoCo`.
    """

    def __init__(self, divides: bool, width: int, transposed: bool) -> None:
        super().__init__()
        self.divides = divides
        widths = [width * 2**k for k in range(LEVELS + 1)]
        for n, (before, after) in enumerate(zip([4, *widths], widths, strict=False), 1):
            self._add_units(n, before, after, transposed)
        for n, after in enumerate(reversed(widths[:-1]), LEVELS + 2):
            self.add_module(f"deconv{n - 1}", Convolution(2 * after, after, 3, transposed))
            self._add_units(n, 2 * after, after, transposed)
        self.conv10 = nn.Conv2d(width, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), sides multiples of 16, to (N, 3, H, W)."""
        grey = (image * image.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
        x = torch.cat([image, grey], 1).contiguous(memory_format=torch.channels_last)
        brightness = [grey]
        skips = []
        for n in range(1, LEVELS + 1):
            x = self._unit(f"{n}_2", self._unit(f"{n}_1", x))
            skips.append(x)
            x = F.max_pool2d(x, 2)
            brightness.append(F.max_pool2d(brightness[-1], 2))
        bottom = f"{LEVELS + 1}"
        x = self._unit(f"{bottom}_2", self._unit(f"{bottom}_1", x) * brightness.pop())
        for n in range(LEVELS + 2, 2 * LEVELS + 2):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.get_submodule(f"deconv{n - 1}")(x)
            x = torch.cat([x, skips.pop() * brightness.pop()], 1)
            x = self._unit(f"{n}_2", self._unit(f"{n}_1", x))
        found = self.conv10(x) * grey
        return image / (found.sigmoid() + 1e-5) if self.divides else image + found

    def _add_units(self, n: int, before: int, after: int, transposed: bool) -> None:
        for k, channels in enumerate((before, after), 1):
            self.add_module(f"conv{n}_{k}", Convolution(channels, after, 3, transposed))
            if (n, k) != (2 * LEVELS + 1, 2):
                self.add_module(f"bn{n}_{k}", nn.BatchNorm2d(after))

    def _unit(self, name: str, x: Tensor) -> Tensor:
        """Convolution, LeakyReLU, and batch norm, which the last one lacks."""
        x = F.leaky_relu(self.get_submodule(f"conv{name}")(x), 0.2)
        return self.get_submodule(f"bn{name}")(x) if hasattr(self, f"bn{name}") else x


class HoLoCo(FusionNetwork):
    """Attention to each of two exposures, under- and over-exposed, and two U-Nets on their sum.

    RD scales the attended exposures. The uni-source component is made of one attended exposure.

    Args:
        unets: Whether the U-Nets follow; without them the sum itself is the picture.
        transposed: Whether the network sees images whose axes are swapped, as in the authors'
            script.
        width: Channels of the first level of the U-Nets; the checkpoints have 32.

    Raises:
        InputError: If an option cannot be.
    """

    channels: tuple[int, ...] = (3,)
    rgb_tasks: frozenset[str] = frozenset(get_args(Task))
    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"mef": ("under", "over")}
    truncates: bool = True
    bytes_per_pixel: ClassVar[int] = 2500
    reach: ClassVar[int] = 144  # of the U-Nets, whose lowest level sees far
    is_local: bool = True
    small: ClassVar[dict[str, Any]] = {"width": 2}
    paper: ClassVar[str] = "Liu et al., Information Fusion 2023"
    tasks: ClassVar[tuple[str, ...]] = ("mef",)
    licence: ClassVar[str] = "MIT"
    objective: ClassVar[str] = "holoco"
    parts: ClassVar[tuple[str, ...]] = ("A_1", "A_2", "G_A", "G_B")
    published: ClassVar[tuple[Published, ...]] = (
        Published("A_1.pth and A_2.pth", sha256=ATTENTION),
        Published("G_A.pth and G_B.pth"),
    )

    def __init__(self, unets: bool = True, transposed: bool = False, width: int = 32) -> None:
        super().__init__()
        for name, value in (("unets", unets), ("transposed", transposed)):
            if type(value) is not bool:
                raise InputError(f"holoco: {name} must be true or false, got {value!r}")
        if type(width) is not int or width < 1:
            raise InputError(f"holoco: width must be a whole number above 0, got {width!r}")
        self.A_1, self.A_2 = Attention(transposed), Attention(transposed)
        self.unets = self.is_local = unets  # they pad to sizes of which the attention is local
        if unets:
            self.size_multiple = 2**LEVELS
            self.G_A = UNet(True, width, transposed)
            self.G_B = UNet(False, width, transposed)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """Without the layers that never run."""
        if not isinstance(content, dict):
            return content
        return {key: x for key, x in content.items() if not str(key).startswith(UNUSED)}

    def encode(self, sources: Tensor) -> Tensor:
        """The attended exposures, (B, 2, 3, H, W)."""
        under, over = sources.unbind(1)
        return torch.stack([self.A_1(under) * under, self.A_2(over) * over], 1)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """The sum of both, (B, 3, H, W)."""
        first, second = scale_features(features, gain)
        return first + second

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3, H, W)."""
        if not self.unets:
            return combined
        return SHARES[0] * self.G_A(combined) + SHARES[1] * self.G_B(combined)

    def unfinished(self, combined: Tensor) -> Tensor:
        """The picture in training, (B, 3, H, W): both U-Nets count the same."""
        return (self.G_A(combined) + self.G_B(combined)) / 2

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """Each attended exposure decoded alone, (B, 2, 3, H, W)."""
        return torch.stack([self.decode(one, sources) for one in features.unbind(1)], 1)
