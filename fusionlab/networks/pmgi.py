"""PMGI: a fast unified image fusion network, proportional maintenance of gradient and intensity.

Zhang et al., AAAI 2020, https://doi.org/10.1609/aaai.v34i07.6975
Authors' code: https://github.com/HaoZhang1018/PMGI_AAAI2020 (TensorFlow)
Differs: nothing; the data files of the authors' four checkpoints load as published. As in their
code, norms use the statistics of the image that is fused.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.checkpoints import variables_in_order
from fusionlab.networks.published import Published

NORMS = ("recreated", "trained")
EPSILON = 1.001e-5  # TensorFlow's kernel raises 1e-5
STREAMS = ("", "_vi")
UNITS = {  # kernel and channels that enter; 16 leave
    "layer1": (5, 3),
    "layer2": (3, 16),
    "layer2_3": (1, 32),
    "layer3": (3, 48),
    "layer3_4": (1, 32),
    "layer4": (3, 64),
}
SCOPE = "fusion_model/"
NORM_KEYS = {
    "beta": "bias",
    "gamma": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class ImageNorm(nn.BatchNorm2d):
    """Batch norm; in evaluation each image has its own statistics.

    Args:
        channels: Number of channels.
        trained: Whether evaluation scales and shifts as trained, or not at all.
    """

    def __init__(self, channels: int, trained: bool) -> None:
        super().__init__(channels, eps=EPSILON)
        self.trained = trained

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to the same."""
        if self.training:
            return super().forward(x)
        weight, bias = (self.weight, self.bias) if self.trained else (None, None)
        images = x.split(1)  # of one image at a time it is a batch norm, which copies less
        alone = [F.batch_norm(x, None, None, weight, bias, True, 0.0, self.eps) for x in images]
        return torch.cat(alone) if len(alone) > 1 else alone[0]


class Unit(nn.Module):
    """Convolution with zeros around the image, norm, LeakyReLU."""

    def __init__(self, kernel: int, channels_in: int, trained: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, 16, kernel, padding=kernel // 2)
        self.norm = ImageNorm(16, trained)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, 16, H, W)."""
        return F.leaky_relu_(self.norm(self.conv(x)), 0.2)


class PMGI(FusionNetwork):
    """Two streams of four layers, each with more of one source, that exchange maps on their way.

    Takes two sources: infrared, visible; PET, MRI; under-, over-exposed. RD scales them wherever
    they enter; the uni-source component of a source is the network with that source on both inputs.
    Norms are of whole images: a part of an image fuses differently alone.

    Args:
        norm: ``recreated`` (the authors' test script makes scale and shift anew, 1 and 0) or
            ``trained`` (as in the checkpoints).

    Raises:
        InputError: If the norm is unknown.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mif": ("pet", "spect", "ct", "mri"),
        "mef": ("under", "over"),
    }
    min_max_stretch: bool = True
    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 1600
    objective: ClassVar[str] = "pmgi"
    small: ClassVar[dict[str, Any]] = {"norm": "trained"}
    paper: ClassVar[str] = "Zhang et al., AAAI 2020"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "IR_VI_CGAN.model-1.data-00000-of-00001",
            sha256="005d29cd3fdbf3805369a8372ce3fb15190905db6aed7dee661880776b8cfccf",
            tasks=("vif",),
        ),
        Published(
            "Medical_CGAN.model-29.data-00000-of-00001",
            sha256="3e95eefac0b8b6e3aca4b91d1f79c76c1bc40ccff717d58e77e2107c5d698816",
            tasks=("mif",),
        ),
        Published(
            "Multi-exp_CGAN.model-9.data-00000-of-00001",
            sha256="f4593b9ebb63b832cb067512689504a8a0afbba3319f8926748f6ddba7cfd4f7",
            tasks=("mef",),
        ),
        Published(
            "Multi-focus_CGAN.model-1.data-00000-of-00001",
            sha256="25ca20b23bede382dd161532049380105ce1532b2d22f3276f142003e5b16d99",
            tasks=("mff",),
        ),
    )

    def __init__(self, norm: str = "recreated") -> None:
        super().__init__()
        if norm not in list(NORMS):
            raise InputError(f"pmgi: norm must be one of {', '.join(NORMS)}, got {norm!r}")
        for stream in STREAMS:
            for name, (kernel, channels) in UNITS.items():
                self.add_module(f"{name}{stream}", Unit(kernel, channels, norm == "trained"))
        self.layer5 = nn.Conv2d(128, 1, 1)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The variables of the authors' checkpoints in our keys."""
        if isinstance(content, Tensor):
            content = variables_in_order(content, _shapes())
        if not isinstance(content, dict) or not any(str(x).startswith(SCOPE) for x in content):
            return content
        keys = _keys()
        return {
            keys.get(str(name), str(name)): (
                value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
            )
            for name, value in content.items()
        }

    def encode(self, sources: Tensor) -> Tensor:
        """The sources in [-1, 1], (B, 2, 1, H, W)."""
        return 2 * sources - 1

    def combine(self, features: Tensor, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What enters the two streams, twice (B, 3, H, W): one source twice, the other once."""
        first, second = scale_features(features, gain)
        return torch.cat([first, first, second], 1), torch.cat([second, second, first], 1)

    def decode(self, combined: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        """Twice (B, 3, H, W) to (B, 1, H, W) in (0, 1)."""
        inputs = [x.contiguous(memory_format=torch.channels_last) for x in combined]
        first = self._both("layer1", inputs)
        second = self._both("layer2", first)
        third = self._both("layer3", first, second, self._exchanged("layer2_3", second))
        fourth = self._both("layer4", first, second, third, self._exchanged("layer3_4", third))
        return (self._last(*first, *second, *third, *fourth).tanh() + 1) / 2

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, one after the other, (B, 2, 1, H, W)."""
        twice = (source.expand(-1, 2, -1, -1, -1) for source in features.split(1, 1))
        return torch.stack([self.decode(self.combine(one), sources) for one in twice], 1)

    def _last(self, *maps: Tensor) -> Tensor:
        """The last layer, of all maps as if concatenated, (B, 16, H, W) each, to (B, 1, H, W)."""
        weights = self.layer5.weight.split(16, 1)
        biases = [self.layer5.bias, *[None] * (len(maps) - 1)]
        parts = zip(maps, weights, biases, strict=True)
        return reduce(torch.add, (F.conv2d(*part) for part in parts))

    def _both(self, name: str, *maps: list[Tensor]) -> list[Tensor]:
        """A layer of each stream on its own maps, concatenated."""
        found = []
        for k, stream in enumerate(STREAMS):
            own = [one[k] for one in maps]
            layer = self.get_submodule(f"{name}{stream}")
            found.append(layer(torch.cat(own, 1) if len(own) > 1 else own[0]))
        return found

    def _exchanged(self, name: str, maps: list[Tensor]) -> list[Tensor]:
        """A layer of each stream on the maps of both."""
        return self._both(name, [torch.cat(maps, 1)] * 2)


def _keys() -> dict[str, str]:
    """Our key of each variable of the authors' checkpoints."""
    keys = {f"{SCOPE}layer5/w5": "layer5.weight", f"{SCOPE}layer5/b5": "layer5.bias"}
    for stream in STREAMS:
        for name in UNITS:
            own, scope = f"{name}{stream}", f"{SCOPE}{name}{stream}/"
            ending = own.removeprefix("layer")
            keys[f"{scope}w{ending}"] = f"{own}.conv.weight"
            keys[f"{scope}b{ending}"] = f"{own}.conv.bias"
            norms = {f"{scope}BatchNorm/{x}": f"{own}.norm.{y}" for x, y in NORM_KEYS.items()}
            keys.update(norms)
    return keys


def _shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each variable of the authors' checkpoints."""
    with torch.device("meta"):
        state = PMGI().state_dict()
    values = {name: state[key] for name, key in _keys().items()}
    return {
        name: tuple((value.permute(2, 3, 1, 0) if value.ndim == 4 else value).shape)
        for name, value in values.items()
    }
