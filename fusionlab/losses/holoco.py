"""The objective of HoLoCo: near to the well exposed picture, far from both exposures.

Liu et al., Information Fusion 95, 2023, https://doi.org/10.1016/j.inffus.2023.02.027
Authors' code: https://github.com/JinyuanLiu-CV/HoLoCo
Differs: patches on a grid, not flipped. MEF-SSIM is that of colours (the authors' code takes rows
for channels). Of the local contrast it is known only that it weighs a tenth of the holistic one;
here it is that of one random quarter of each crop.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.opening import open_data
from fusionlab.data.patches import PairPatches
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.losses.tcmoa import mef_ssim
from fusionlab.losses.vgg import VGG
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.holoco import HoLoCo
from fusionlab.settings import Data, Training

WEIGHT = 0.1  # of each term beside the squared error
LOCAL = 0.1  # of the local contrast beside the holistic one
WIDTHS, STRIDES = (3, 64, 128, 256, 512, 1), (2, 2, 2, 1, 1)  # of the discriminator


class Discriminator(nn.Sequential):
    """How much like a well exposed picture patches look, (B, 3, H, W) to (B, 1, h, w)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise(WIDTHS), STRIDES, strict=True):
            layers += [nn.Conv2d(before, after, 4, stride, 2), nn.LeakyReLU(0.2)]
        super().__init__(*layers[:-1])


class HoLoCoObjective(Objective):
    """The attention networks learn by themselves; the U-Nets on their sum, with a discriminator.

    Args:
        vgg: File or address of the weights of VGG-16, in whose features pictures are compared.
        local: Whether a random quarter of each crop is contrasted besides the whole.
    """

    trains: ClassVar[type[FusionNetwork]] = HoLoCo
    smallest_crop: ClassVar[int] = 64
    whole_crops: ClassVar[bool] = True
    unused_parameters: ClassVar[bool] = True

    def __init__(self, vgg: str | None = None, local: bool = False) -> None:
        super().__init__()
        if type(local) is not bool:
            raise InputError(f"training.options.local must be true or false, got {local!r}")
        self.vgg, self.local = VGG(16, vgg), local
        self.discriminator = Discriminator()

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Patches of under- and over-exposed images, and of their ground truth."""
        (dataset,) = open_data(Data(root=settings.root, task="mef"))
        if not dataset.has_reference:
            raise InputError(
                f"holoco learns from exposures with a ground truth, {dataset.name} has none; set "
                "training.root to a folder with under/, over/ and gt/"
            )
        side, stride = settings.crop_size, settings.stride or settings.crop_size
        order, limit = HoLoCo.source_order["mef"], settings.limit
        return PairPatches(dataset, side, stride, settings.contrast, limit, order, True), None

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The network, and the discriminator with an optimiser of its own."""
        judge = list(self.discriminator.parameters())
        return [
            *super().parameter_groups(network),
            ParameterGroup("discriminator", judge, optimizer="discriminator"),
        ]

    def check_network(self, network: FusionNetwork) -> None:
        """Refuse one without U-Nets."""
        super().check_network(network)
        if isinstance(network, HoLoCo) and not network.unets:
            raise InputError("holoco is trained with its U-Nets; set network.options.unets true")

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``rgb`` (B, 2, 3, S, S) and ``reference`` (B, 3, S, S)."""
        assert isinstance(network, HoLoCo)
        sources, truth = batch["rgb"], batch["reference"]
        if step.optimizer == "discriminator":
            with torch.no_grad():
                fused = network.unfinished(network.combine(network.encode(sources)))
            return {"discriminator": judging_loss(*map(self.discriminator, (truth, fused)))}
        attended = network.combine(network.encode(sources))
        fused = network.unfinished(attended.detach()).to(truth.dtype)
        verdict = self.discriminator(fused)
        return {
            "attention": F.mse_loss(attended.to(truth.dtype), truth),
            "pixel": F.mse_loss(fused, truth),
            "perceptual": WEIGHT * self.distance(fused, truth),
            "contrast": WEIGHT * self.contrasts(fused, truth, sources),
            "mef_ssim": WEIGHT * (1 - mef_ssim(fused, sources)),
            "adversarial": WEIGHT * F.mse_loss(verdict, torch.ones_like(verdict)),
        }

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Between images (B, 3, H, W) in [0, 1], by normalised features."""
        return F.mse_loss(self.features(x), self.features(y))

    def features(self, images: Tensor) -> Tensor:
        """After the first convolution of VGG-16's last block, with mean 0 and deviation 1."""
        (found,) = self.vgg((images.flip(1) + 1) * 127.5, [4])
        first = self.vgg.blocks[4][0]  # type: ignore[index]
        return F.instance_norm(F.relu(first(F.max_pool2d(found, 2))))

    def contrasts(self, fused: Tensor, truth: Tensor, sources: Tensor) -> Tensor:
        """The holistic contrast, and the local one."""
        whole = self.contrast(fused, truth, sources)
        if not self.local:
            return whole
        side = truth.shape[-1] // 2
        top, left = torch.randint(side + 1, (2,)).tolist()
        rows, columns = slice(top, top + side), slice(left, left + side)
        parts = (x[..., rows, columns] for x in (fused, truth, sources))
        return whole + LOCAL * self.contrast(*parts)

    def contrast(self, fused: Tensor, truth: Tensor, sources: Tensor) -> Tensor:
        """Distance from the truth over that from each of two sources, the mean."""
        near = self.distance(fused, truth)
        far = [self.distance(fused, source) for source in sources.unbind(1)]
        return torch.stack([near / (one + 1e-7) for one in far]).mean()


def judging_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic: how far the real ones are from being judged 1 above the fake ones on average.

    And the fake ones from 0 above the real ones; half of both squares.
    """
    above, below = real - fake.mean(), fake - real.mean()
    return ((above - 1).square().mean() + below.square().mean()) / 2
