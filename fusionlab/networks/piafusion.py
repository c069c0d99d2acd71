"""PIAFusion: a progressive infrared and visible image fusion network based on illumination aware.

Tang et al., Information Fusion 83-84, 2022, https://doi.org/10.1016/j.inffus.2022.03.007
Authors' code: https://github.com/Linfeng-Tang/PIAFusion (TensorFlow)
Port to PyTorch: https://github.com/linklist2/PIAFusion_pytorch
Differs: this is the port, to which the authors point; its checkpoints load as published. The port
has separate encoders (the original shares all but the first layer), LeakyReLU slopes of 0.01 (not
0.2), the opposite sign in the CMDAF and a ReLU (not an absolute value) after the classifier. An
image one pixel wide, which cannot be reflected, is repeated.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published


class ReflectPad(nn.Module):
    """One pixel of reflection on each side."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H + 2, W + 2)."""
        if min(x.shape[-2:]) > 1:
            return F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.pad(x, (1, 1, 0, 0), mode="reflect" if x.shape[-1] > 1 else "replicate")
        return F.pad(x, (0, 0, 1, 1), mode="reflect" if x.shape[-2] > 1 else "replicate")


class ConvUnit(nn.Module):
    """Reflection padding, convolution, LeakyReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            ReflectPad(), nn.Conv2d(channels_in, channels_out, kernel, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H / stride, W / stride)."""
        return F.leaky_relu(self.conv(x), 0.01, inplace=True)


def cross_modality_difference(visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-modality differential aware fusion (CMDAF), without parameters.

    With d = infrared - visible and g its mean over each channel of each sample, visible gains
    sigmoid(g) d and infrared loses sigmoid(-g) d: each stream moves towards the other.

    Args:
        visible: (B, F, H, W).
        infrared: (B, F, H, W).

    Returns:
        The two, changed.
    """
    difference = infrared - visible
    gap = difference.mean((2, 3), keepdim=True)
    return visible + gap.sigmoid() * difference, infrared - (-gap).sigmoid() * difference


class Encoder(nn.Module):
    """Five layers for each of the two sources, with CMDAF after the three in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.vi_conv1, self.ir_conv1 = nn.Conv2d(1, 16, 1), nn.Conv2d(1, 16, 1)
        self.vi_conv2, self.ir_conv2 = ConvUnit(16, 16), ConvUnit(16, 16)
        self.vi_conv3, self.ir_conv3 = ConvUnit(16, 32), ConvUnit(16, 32)
        self.vi_conv4, self.ir_conv4 = ConvUnit(32, 64), ConvUnit(32, 64)
        self.vi_conv5, self.ir_conv5 = ConvUnit(64, 128), ConvUnit(64, 128)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Two of (B, 1, H, W) to two of (B, 128, H, W)."""
        visible = F.leaky_relu(self.vi_conv1(visible), 0.01)
        infrared = F.leaky_relu(self.ir_conv1(infrared), 0.01)
        for vi_conv, ir_conv in (
            (self.vi_conv2, self.ir_conv2),
            (self.vi_conv3, self.ir_conv3),
            (self.vi_conv4, self.ir_conv4),
        ):
            visible, infrared = cross_modality_difference(vi_conv(visible), ir_conv(infrared))
        return self.vi_conv5(visible), self.ir_conv5(infrared)


class Decoder(nn.Module):
    """Five layers from the concatenated features to the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvUnit(256, 256)
        self.conv2 = ConvUnit(256, 128)
        self.conv3 = ConvUnit(128, 64)
        self.conv4 = ConvUnit(64, 32)
        self.conv5 = nn.Conv2d(32, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 256, H, W) to (B, 1, H, W) in [0, 1]."""
        x = self.conv4(self.conv3(self.conv2(self.conv1(x))))
        return self.conv5(x).tanh() / 2 + 0.5


class PIAFusion(FusionNetwork):
    """An encoder per modality, each aware of the other; the decoder learns the rule.

    Takes two sources, visible first. Because the encoders exchange differences, the uni-source
    component of a source is the network with that source on both inputs.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    objective: ClassVar[str] = "piafusion"
    paper: ClassVar[str] = "Tang et al., Information Fusion 2022"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "MIT (TensorFlow original); port: none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "fusion_model_epoch_29.pth",
            url="https://github.com/linklist2/PIAFusion_pytorch/raw/HEAD/pretrained/fusion_model_epoch_29.pth",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def encode(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) in [0, 1], visible first, to (B, 2, 128, H, W), jointly."""
        return torch.stack(self.encoder(*sources.unbind(1)), 1)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 128, H, W), scaled by the gain, to (B, 256, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 256, H, W) to (B, 1, H, W) in [0, 1]."""
        return self.decoder(combined)

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W).

        Joint features hold something of both sources, so each source is encoded again; one after
        the other, which takes half the memory of both at once and on a CPU less time.
        """
        twice = (source.unsqueeze(1).expand(-1, 2, -1, -1, -1) for source in sources.unbind(1))
        images = [self.decode(self.combine(self.encode(pair)), pair) for pair in twice]
        return torch.stack(images, 1)


class IlluminationClassifier(nn.Module):
    """How much a visible image looks like day and like night, two scores ≥ 0.

    Its scores weigh the two sources in PIAFusion's loss; fusing does not need it.
    """

    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "best_cls.pth",
            sha256="a9441744fc6a535d3a27495f4934efb6e52956bc42a348186f4db87b0d97dc1d",
            url="https://github.com/linklist2/PIAFusion_pytorch/raw/HEAD/pretrained/best_cls.pth",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 16, kernel=4, stride=2)
        self.conv2 = ConvUnit(16, 32, kernel=4, stride=2)
        self.conv3 = ConvUnit(32, 64, kernel=4, stride=2)
        self.conv4 = ConvUnit(64, 128, kernel=4, stride=2)
        self.linear1 = nn.Linear(128, 128)  # no activation follows, as in the port
        self.linear2 = nn.Linear(128, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * module.weight[0, 0].numel()
                nn.init.normal_(module.weight, 0, (2 / fan_out) ** 0.5)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all have one
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, visible: Tensor) -> Tensor:
        """Score images.

        Args:
            visible: (B, 3, H, W) in [0, 1], H and W at least 16; trained on 64x64.

        Returns:
            Scores of day and night, (B, 2), ≥ 0, unbounded; both may be 0.

        Raises:
            ValueError: If ``visible`` has another shape.
        """
        if visible.ndim != 4 or visible.shape[1] != 3 or min(visible.shape[2:]) < 16:
            raise ValueError(
                f"visible must be (B, 3, H, W) with H, W ≥ 16, got {tuple(visible.shape)}"
            )
        x = self.conv4(self.conv3(self.conv2(self.conv1(visible))))
        return self.linear2(self.linear1(x.mean((2, 3)))).relu()
