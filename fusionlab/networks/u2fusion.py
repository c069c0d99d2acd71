"""U2Fusion: a unified unsupervised image fusion network.

Xu et al., IEEE TPAMI 44(1), 2022, https://doi.org/10.1109/TPAMI.2020.3012548
Authors' code: https://github.com/hanna-xu/U2Fusion (TensorFlow)
Port to PyTorch, for exposures: https://github.com/ytZhang99/U2Fusion-pytorch
Differs: nothing; the data file of the TensorFlow checkpoint and the port's model.pth load as
published. The port rounds luma and chroma of the sources to 8 bits, which colours show.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.checkpoints import variables_in_order
from fusionlab.networks.published import Published

LAYERS = 5  # of the dense block
DECODER = (128, 64, 32)
WIDTH = 44
Padding = Literal["reflect", "zeros"]
VERSIONS: dict[str, Padding] = {"authors": "reflect", "port": "zeros"}  # how borders are padded
ENCODERS, DECODERS = "Generator/encoder/", "Generator_1/decoder/"


def _unit(channels_in: int, channels_out: int, padding: Padding) -> nn.Sequential:
    """3x3 convolution, LeakyReLU; the size stays."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode=padding)
    return nn.Sequential(convolution, nn.LeakyReLU(0.2, inplace=True))


class DenseLayer(nn.Module):
    """A unit, whose output is appended to its input."""

    def __init__(self, channels_in: int, width: int, padding: Padding) -> None:
        super().__init__()
        self.conv = _unit(channels_in, width, padding)


class U2Fusion(FusionNetwork):
    """A dense block and four convolutions on two sources at once.

    Takes them in the order visible, infrared; over-, under-exposed; PET, MRI; far, near. Further
    sources are fused one after the other with what has been fused, as the paper says. RD scales the
    sources in the network's own range; the uni-source component of a source is the network with
    that source on both inputs.

    Args:
        version: ``authors`` (all tasks, [0, 1]) or ``port`` (exposures, [−1, 1] inside).
        width: Channels of each layer of the dense block; the checkpoints have 44.

    Raises:
        InputError: If the version is unknown, or the width is no number above 0.
    """

    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("vi", "ir"),
        "mif": ("pet", "spect", "ct", "mri"),
        "mef": ("over", "under"),
        "mff": ("far", "middle", "near"),
    }
    stretches_colour: ClassVar[bool] = True
    stretches_from_zero: ClassVar[bool] = True
    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 3000
    reach: ClassVar[int] = 32  # ten 3x3 convolutions, once more for each further source
    is_local: bool = True
    objective: ClassVar[str] = "u2fusion"
    small: ClassVar[dict[str, Any]] = {"width": 4}
    paper: ClassVar[str] = "Xu et al., IEEE TPAMI 2022"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "none stated"
    numpy_scalars: ClassVar[bool] = True
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "model.ckpt.data-00000-of-00001",
            {"version": "authors"},
            "e50cada8d4ec92f2577ad5db5d212fba521dffb35d04e00a20364b43512c64c8",
        ),
        Published(
            "model.pth",
            {"version": "port"},
            "05e8fc40ba96055178a76880ec89a079bd4ad1e93db5d711457baba61cfcd77e",
        ),
    )

    def __init__(self, version: str = "authors", width: int = WIDTH) -> None:
        super().__init__()
        if version not in list(VERSIONS):
            known = ", ".join(VERSIONS)
            raise InputError(f"u2fusion: version must be one of {known}, got {version!r}")
        if type(width) is not int or width < 1:
            raise InputError(f"u2fusion: width must be a whole number above 0, got {width!r}")
        padding = VERSIONS[version]
        self.version = version
        self.min_max_stretch, self.truncates = version == "authors", version == "port"
        self.conv_1 = _unit(2, width, padding)
        self.dense_layers = nn.Sequential(
            *(DenseLayer(width * k, width, padding) for k in range(1, LAYERS + 1))
        )
        steps = (width * (LAYERS + 1), *DECODER)
        self.sub = nn.Sequential(
            *(_unit(*pair, padding) for pair in zip(steps, DECODER, strict=False)),
            nn.Conv2d(DECODER[-1], 1, 3, padding=1, padding_mode=padding),
        )

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The variables of the authors' checkpoint in the keys of the port.

        In memory they append a layer's input to its output, here as in the port it is the reverse.
        """
        if isinstance(content, Tensor):
            content = variables_in_order(content, _shapes())
        if not isinstance(content, dict) or not any(str(x).startswith(ENCODERS) for x in content):
            return content
        keys: dict[str, str] = _keys()
        state: dict[str, Any] = {
            keys.get(str(name), str(name)): value for name, value in content.items()
        }
        for key, value in state.items():
            if value.ndim == 4:  # (height, width, in, out)
                value = value.permute(3, 2, 0, 1)
                if key.startswith("dense_layers.") or key == "sub.0.0.weight":
                    value = torch.cat(value.split(WIDTH, 1)[::-1], 1)
                state[key] = value.contiguous()
        return state

    def encode(self, sources: Tensor) -> Tensor:
        """The sources in the network's range, (B, M, 1, H, W)."""
        return sources if self.version == "authors" else 2 * sources - 1

    def combine(self, features: Tensor, gain: Tensor | None = None) -> list[Tensor]:
        """The sources scaled by the gain, M of (B, 1, H, W); one source stands for two."""
        scaled = list(scale_features(features, gain))
        return scaled if len(scaled) > 1 else 2 * scaled

    def decode(self, combined: list[Tensor], sources: Tensor) -> Tensor:
        """Fuses one source after the other: M of (B, 1, H, W) to (B, 1, H, W) in (0, 1)."""
        fused = reduce(self.fuse_two, combined)
        return fused if self.version == "authors" else (fused + 1) / 2

    def fuse_two(self, first: Tensor, second: Tensor) -> Tensor:
        """Two images in the network's range, (B, 1, H, W), to one in the same range."""
        x = torch.cat([first, second], 1).contiguous(memory_format=torch.channels_last)
        x = self._bordered(self.conv_1, self._padded(x))
        for layer in self.dense_layers:  # maps enter several layers: each is padded once
            x = torch.cat([x, self._bordered(layer.conv, x)], 1)  # type: ignore[arg-type]
        for unit in self.sub[:-1]:
            x = self._bordered(unit, x)  # type: ignore[arg-type]
        fused = _convolved(self.sub[-1], x).tanh()
        return (fused + 1) / 2 if self.version == "authors" else fused

    def _bordered(self, unit: nn.Sequential, x: Tensor) -> Tensor:
        """A unit on what has a border of a pixel, whose output gets one."""
        return self._padded(unit[1](_convolved(unit[0], x)))

    def _padded(self, x: Tensor) -> Tensor:
        mode = VERSIONS[self.version]
        return F.pad(x, (1, 1, 1, 1), "constant" if mode == "zeros" else mode)


def _convolved(convolution: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(convolution, nn.Conv2d)
    return F.conv2d(x, convolution.weight, convolution.bias)


def _keys() -> dict[str, str]:
    """Our key of each variable of the authors' checkpoint."""
    layers = {f"{ENCODERS}conv1_1": "conv_1.0"}
    for k in range(LAYERS):
        layers[f"{ENCODERS}dense_block_conv{k + 1}"] = f"dense_layers.{k}.conv.0"
    for k in range(len(DECODER)):
        layers[f"{DECODERS}conv2_{k + 1}"] = f"sub.{k}.0"
    layers[f"{DECODERS}conv2_{len(DECODER) + 1}"] = f"sub.{len(DECODER)}"
    kinds = {"kernel": "weight", "bias": "bias"}
    return {f"{a}/{x}": f"{b}.{y}" for a, b in layers.items() for x, y in kinds.items()}


def _shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each variable of the authors' checkpoint."""
    with torch.device("meta"):
        state = U2Fusion().state_dict()
    return {
        name: tuple(state[key].permute(2, 3, 1, 0).shape)
        if state[key].ndim == 4
        else tuple(state[key].shape)
        for name, key in _keys().items()
    }
