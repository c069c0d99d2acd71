"""DIVFusion: darkness-free infrared and visible image fusion.

Tang et al., Information Fusion 91, 2023, https://doi.org/10.1016/j.inffus.2022.10.034
Authors' code: https://github.com/Xinyu-Xiang/DIVFusion (TensorFlow)
Differs: batch norms always normalise with the statistics of what they see, as there; each image is
fused by itself, in training a batch. The authors' test script does not restore their scales and
shifts, which stay 1 and 0; ours are stored. The fixed filters see the sum of the channels, which
is what their dense kernels compute. Decoders that only training needs are part of the objective.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features

LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))
ALONG_X = ((0.0, 0.0), (-1.0, 1.0))
EPSILON = 1.001e-5  # of TensorFlow's fused kernel
# what the authors' checkpoints hold besides: decoders and the attention that only training needs,
# scales, shifts and statistics that their test script does not restore, the optimiser's state
OF_TRAINING = re.compile(
    r"DecomNet/(CAM_L|decoder_ir|decoder_vi_l|decoder_l)/.+"
    r"|.+/(moving_mean|moving_variance|Adam|Adam_1)"
    r"|.*beta[12]_power|.*global_step"
)
SCALE = re.compile(r"(?P<layer>.+)/(?:BatchNorm|batch_norm\w*)/(?P<kind>gamma|beta)")


class Layer(nn.Module):
    """Convolution with zeros around the image, normalisation, LeakyReLU.

    Args:
        channels_in: Channels that enter.
        channels_out: Channels that leave.
        kernel: Side of the kernel.
        activates: Whether there is an activation.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        activates: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
        self.activates = activates
        self.gamma = nn.Parameter(torch.ones(channels_out))
        self.beta = nn.Parameter(torch.zeros(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, h, w) to (N, G, h, w)."""
        x = self.conv(x)
        x = F.batch_norm(x, None, None, self.gamma, self.beta, True, 0.0, EPSILON)
        return F.leaky_relu(x, 0.2) if self.activates else x


class ChannelAttention(nn.Module):
    """A share of each channel, all of which sum to 1."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.first = Layer(dim, inner)
        self.second = Layer(inner, dim, activates=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, h, w) to (N, F, 1, 1)."""
        return self.second(self.first(x)).mean((2, 3), keepdim=True).softmax(1)


class DIVFusion(FusionNetwork):
    """Features of both sources at once, weighed for each, their gradients and contrast enhanced.

    Takes two sources, visible first. RD scales what enters; the uni-source component of a source is
    the network with that source on both inputs. Statistics are of whole images: a part of an image
    fuses differently alone.

    Args:
        dim: Number of features, a multiple of 8.

    Raises:
        InputError: If ``dim`` cannot be.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 8000
    objective: ClassVar[str] = "divfusion"
    small: ClassVar[dict[str, Any]] = {"dim": 16}
    paper: ClassVar[str] = "Tang et al., Information Fusion 2023"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "none stated"

    def __init__(self, dim: int = 256) -> None:
        super().__init__()
        if type(dim) is not int or dim < 8 or dim % 8:
            raise InputError(f"divfusion: dim must be a multiple of 8, got {dim!r}")
        self.dim = dim
        quarter, half, eighth = dim // 4, dim // 2, dim // 8
        self.encoder = nn.Sequential(
            Layer(2, quarter), Layer(quarter, half), Layer(half, dim), Layer(dim, dim)
        )
        self.CAM_IR, self.CAM_VI_E = ChannelAttention(dim, eighth), ChannelAttention(dim, eighth)
        self.layer = Layer(2 * dim, dim, 1)
        self.laplacian = nn.Sequential(
            Layer(dim, dim), Layer(dim, dim), Layer(dim, half, 1, activates=False)
        )
        self.sobel = Layer(dim, half, 1, activates=False)
        self.contrast = nn.ModuleList(Layer(dim, quarter, kernel) for kernel in (3, 5, 7, 1))
        self.decoder = nn.Sequential(
            Layer(dim, half),
            Layer(half, quarter),
            Layer(quarter, eighth),
            Layer(eighth, 1, activates=False),
        )

    def encode(self, sources: Tensor) -> Tensor:
        """The sources themselves, (B, 2, 1, H, W) in [0, 1], visible first."""
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 1, H, W), scaled by the gain, to (B, 2, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 1, H, W) in (0, 1), image by image unless it is trained."""
        if self.training:
            return self._fuse(combined)
        return torch.cat([self._fuse(pair) for pair in combined.split(1)])

    def _fuse(self, pairs: Tensor) -> Tensor:
        x = self.encoder(pairs)
        x = self.layer(torch.cat((self.CAM_IR(x) * x, self.CAM_VI_E(x) * x), 1))
        total = x.sum(1, keepdim=True)
        edges = torch.cat(
            (self.laplacian(x + self._laplacian(total)), self.sobel(self._gradient(total, x))), 1
        )
        found = torch.cat([layer(edges) for layer in self.contrast], 1)
        return self.decoder(found * found.std((2, 3), correction=0, keepdim=True)).sigmoid()

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        twice = features.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(self.combine(twice), sources).unflatten(0, sources.shape[:2])

    def _laplacian(self, total: Tensor) -> Tensor:
        return _stretched(F.conv2d(total, _kernel(LAPLACIAN, total), padding=1))

    def _gradient(self, total: Tensor, like: Tensor) -> Tensor:
        """Both differences with the following pixels, the same in every channel."""
        along_x, along_y = gradients(total)
        return (along_x + along_y).expand_as(like)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' variables by name, kernels (height, width, in, out), in our keys.

        Scales and shifts are 1 and 0, as in the authors' test script, which does not restore them.

        Raises:
            InputError: If a variable is missing, surplus or no tensor.
        """
        if not isinstance(content, dict) or not any("DecomNet/" in str(key) for key in content):
            return content
        names = variable_names()
        given = {key.removesuffix(":0"): value for key, value in content.items()}
        given = {
            key: value
            for key, value in given.items()
            if not OF_TRAINING.fullmatch(key) and not SCALE.fullmatch(key)
        }
        missing, surplus = sorted(names.keys() - given.keys()), sorted(given.keys() - names.keys())
        if missing or surplus:
            raise InputError(
                f"of DIVFusion's variables are missing: {', '.join(missing) or 'none'}; "
                f"surplus: {', '.join(surplus) or 'none'}"
            )
        found: dict[str, Tensor] = {}
        for name, key in names.items():
            value = torch.as_tensor(given[name])
            found[key] = value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
            if key.endswith(".bias"):
                found[key.replace("conv.bias", "gamma")] = torch.ones_like(value)
                found[key.replace("conv.bias", "beta")] = torch.zeros_like(value)
        return found


def gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """Magnitudes of the differences with the following pixels, along x and along y.

    Args:
        images: (B, 1, H, W).

    Returns:
        Twice (B, 1, H, W), each from 0 at its least value to 1 at its largest in the batch.
    """
    padded, kernel = F.pad(images, (0, 1, 0, 1)), _kernel(ALONG_X, images)
    return _stretched(F.conv2d(padded, kernel)), _stretched(F.conv2d(padded, kernel.mT))


def _stretched(x: Tensor) -> Tensor:
    """Magnitudes, from the least to the largest."""
    x = x.abs()
    return (x - x.min()) / (x.max() - x.min() + 1e-4)


def variable_names() -> dict[str, str]:
    """Our keys by the authors' names of the variables that fusing needs."""
    places: dict[str, tuple[str, str, str]] = {}  # scope, kernel and bias by our layer
    for k in range(1, 5):
        places[f"encoder.{k - 1}"] = (f"DecomNet/encoder/layer{k}", f"w{k}", f"b{k}")
        places[f"decoder.{k - 1}"] = (f"enhance/decoder/layer{k}", f"w{k}", f"b{k}")
        places[f"contrast.{k - 1}"] = (f"enhance/contrast_model/layer_{k}", "w1", "b1")
    for k in range(1, 4):
        places[f"laplacian.{k - 1}"] = (f"enhance/gradient_model/layer_{k}", "w1", "b1")
    for attention in ("CAM_IR", "CAM_VI_E"):
        scope = f"DecomNet/{attention}/layer"
        places[f"{attention}.first"], places[f"{attention}.second"] = (
            (scope, "w1", "b1"),
            (scope, "w2", "b2"),
        )
    places["layer"] = ("enhance/layer", "w1", "b2")
    places["sobel"] = ("enhance/gradient_model/layer_sobel/layer_1", "w1", "b1")
    return {
        f"{scope}/{name}": f"{layer}.conv.{kind}"
        for layer, (scope, *names) in places.items()
        for name, kind in zip(names, ("weight", "bias"), strict=True)
    }


def _kernel(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return like.new_tensor(rows)[None, None]
