"""DeepFuse: a deep unsupervised approach for exposure fusion, and two networks of that name.

Prabhakar et al., ICCV 2017, https://doi.org/10.1109/ICCV.2017.505
Authors' code: https://github.com/KRamPrabhakar/DeepFuse (Theano)
Li's auto-encoder for infrared and visible images: https://github.com/hli1221/Imagefusion_deepfuse
Port to PyTorch, for two exposures: https://github.com/SunnerLi/DeepFuse.pytorch
Differs: the authors' arrays and the variables of Li's checkpoint load as published. The authors
shrink images to 512 pixels, give luma of the studio range, and in MATLAB saturate 1 % of the pixels
at both ends; the port resizes to 600x400 pixels and weighs chroma by one factor for each source:
here images keep their size, and luma and chroma are those of all networks.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

VERSIONS = ("authors", "li", "port")
GREY_LEVELS = 255.0  # the authors and Li work on [0, 255]
ARRAYS = {  # the authors' kernels
    "arr_0": "encoder.0.weight",
    "arr_1": "encoder.2.weight",
    **{f"arr_{k + 2}": f"decoder.{2 * k}.weight" for k in range(4)},
}
LI_LAYERS = {
    "encoder/conv1_1": "encoder.0",
    "encoder/conv1_2": "encoder.2",
    "decoder/conv2_1": "decoder.0",
    "decoder/conv2_2": "decoder.2",
    "decoder/conv2_3": "decoder.4",
}


def _plain(channels_in: int, channels_out: int, kernel: int) -> list[nn.Module]:
    """The authors': no bias, zeros around the image, LeakyReLU."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.LeakyReLU(0.01, inplace=True)]


def _reflecting(channels_in: int, channels_out: int) -> nn.Conv2d:
    """Li's."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="reflect")


class PortLayer(nn.Module):
    """The port's: convolution with zeros around the image, batch norm, activation."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, activation: nn.Module
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
        self.main = nn.Sequential(convolution, nn.BatchNorm2d(channels_out), activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        return self.main(x)


class DeepFuse(FusionNetwork):
    """Two convolutions for each of any number of sources, their sum, three or four convolutions.

    Args:
        version: ``authors`` (each fused image is stretched to [0, 1], for that is what the network
            was trained for), ``li`` or ``port``.

    Raises:
        InputError: If the version is unknown.
    """

    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 1600
    reach: ClassVar[int] = 13  # convolutions of 3, 5, 7, 5, 5 and 7 pixels
    is_local: bool = True
    objective: ClassVar[str] = "deepfuse"
    small: ClassVar[dict[str, Any]] = {"version": "li"}
    paper: ClassVar[str] = "Prabhakar et al., ICCV 2017"
    tasks: ClassVar[tuple[str, ...]] = ("mef", "vif")
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "DF_model_Epoch99.npz",
            {"version": "authors"},
            "dd6ad74ad6bb91ea083febf49a5ab2af888416e6a3a1ec4b7af07920fdd9b91a",
        ),
        Published(
            "hli1221_deepfuse_model_bs2_epoch4_all.npz",
            {"version": "li"},
            "9045b29f1b061d97c005a114bd31603282e724d3e7351cb3c7283a2e393fb625",
        ),
    )

    def __init__(self, version: str = "authors") -> None:
        super().__init__()
        if version not in list(VERSIONS):
            known = ", ".join(VERSIONS)
            raise InputError(f"deepfuse: version must be one of {known}, got {version!r}")
        self.version = version
        self.is_local = version != "authors"  # whose images are stretched as a whole
        self.min_max_stretch, self.truncates = version != "port", version == "port"
        self.encoder, self.decoder = PARTS[version]()

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' kernels, which Theano turns by half a turn; Li's; the port's."""
        if not isinstance(content, dict):
            return content
        content = content.get("model", content)
        if not isinstance(content, dict) or not all(
            isinstance(x, Tensor) for x in content.values()
        ):
            return content
        state: dict[str, Tensor] = {}
        for name, value in content.items():
            scope, _, kind = str(name).rpartition("/")
            if name in ARRAYS:
                state[ARRAYS[name]] = value.flip(2, 3)
            elif scope in LI_LAYERS and kind == "kernel":
                state[f"{LI_LAYERS[scope]}.weight"] = value.permute(3, 2, 0, 1).contiguous()
            elif scope in LI_LAYERS:
                state[f"{LI_LAYERS[scope]}.{kind}"] = value
            elif str(name).startswith("layer"):
                part = "encoder" if name[5:6] in ("1", "2") else "decoder"
                state[f"{part}.{name}"] = value
            else:
                state[name] = value
        return state

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, 1, H, W) in [0, 1] to (B, M, F, H, W); F is 64 (authors) or 32."""
        images = sources.flatten(0, 1)
        if self.version == "port":
            return self.encoder(2 * images - 1).unflatten(0, sources.shape[:2])
        if self.version == "li":
            return self.encoder(GREY_LEVELS * images).unflatten(0, sources.shape[:2])
        with torch.autocast(images.device.type, enabled=False):  # float16 overflows
            return self.encoder(GREY_LEVELS * images.float()).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """The sum over M."""
        return reduce(torch.add, scale_features(features, gain))

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, F, H, W) to (B, 1, H, W); of two sources ``li`` reaches 2."""
        if self.version == "authors":
            return _stretched(self.raw(combined))
        image = self.decoder(combined)
        return image / GREY_LEVELS if self.version == "li" else (image.tanh() + 1) / 2

    def raw(self, combined: Tensor) -> Tensor:
        """What the authors' layers give before the stretch, (B, 1, H, W), of the order of 1e8."""
        with torch.autocast(combined.device.type, enabled=False):
            return self.decoder(combined.float())


def _stretched(images: Tensor) -> Tensor:
    """Each image from its minimum to its maximum over [0, 1]; a flat one is black."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).where(high > low, 1)


def _authors_parts() -> tuple[nn.Sequential, nn.Sequential]:
    encoder = [*_plain(1, 32, 3), *_plain(32, 64, 5)]
    decoder = [*_plain(64, 64, 7), *_plain(64, 32, 5), *_plain(32, 16, 5), *_plain(16, 1, 7)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def _li_parts() -> tuple[nn.Sequential, nn.Sequential]:
    encoder = [_reflecting(1, 16), nn.ReLU(inplace=True), _reflecting(16, 32)]
    decoder = [_reflecting(32, 32), nn.ReLU(inplace=True), _reflecting(32, 16)]
    return nn.Sequential(*encoder), nn.Sequential(
        *decoder, nn.ReLU(inplace=True), _reflecting(16, 1)
    )


def _port_parts() -> tuple[nn.Sequential, nn.Sequential]:
    leaky = nn.LeakyReLU(0.01)
    encoder = {"layer1": PortLayer(1, 16, 5, leaky), "layer2": PortLayer(16, 32, 7, nn.ReLU())}
    decoder = {
        "layer4": PortLayer(32, 32, 7, leaky),
        "layer5": PortLayer(32, 16, 5, leaky),
        "layer6": PortLayer(16, 1, 5, nn.Identity()),  # tanh is taken by decode
    }
    return nn.Sequential(OrderedDict(encoder)), nn.Sequential(OrderedDict(decoder))


PARTS = {"authors": _authors_parts, "li": _li_parts, "port": _port_parts}
