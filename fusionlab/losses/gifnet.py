"""The objective of GIFNet: two tasks that see each other, and what they share.

Cheng et al., CVPR 2025, https://arxiv.org/abs/2502.19854
Authors' code: https://github.com/AWCXV/GIFNet
Differs: both tasks make one step together, the authors' one after the other, and gradients reach
the attention of both branches. The authors learn from four pictures of a scene each; here the
multi-focus pair is made of the visible image when it is needed, sharp on either side of a random
line.
"""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, ParameterGroup, Step
from fusionlab.losses.densefuse import ms_ssim
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.downloads import download, is_address
from fusionlab.networks.gifnet import GIFNet

RADIUS = 2  # of the blur, a mean over 5x5 pixels
STAGES = (  # of DenseNet-121, each followed by the next
    ("conv0", "norm0", "pool0"),
    ("denseblock1", "transition1"),
    ("denseblock2", "transition2"),
    ("denseblock3", "transition3"),
    ("denseblock4",),
)


class GIFNetObjective(Objective):
    """Fidelity of both branches to what they fuse, and of the reconstruction to its source.

    Args:
        densenet: File or address of DenseNet-121's weights on ImageNet, as torchvision or timm has
            them: what weighs infrared against visible.
    """

    learns_from: ClassVar[Kind | None] = "pairs"
    trains: ClassVar[type[FusionNetwork]] = GIFNet
    smallest_crop: ClassVar[int] = 32  # DenseNet halves it five times
    unused_parameters: ClassVar[bool] = True

    def __init__(self, densenet: str | None = None) -> None:
        super().__init__()
        self.densenet = DenseNetInformation(densenet)

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The network; DenseNet is frozen."""
        return [ParameterGroup("network", list(network.parameters()))]

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), infrared first."""
        assert isinstance(network, GIFNet)
        infrared, visible = batch["sources"].unbind(1)
        pairs = {"ivif": (infrared, visible), "mfif": focus_pair(visible)}
        shared = {
            task: network.getSharedFeatures(torch.cat(pair, 1)) for task, pair in pairs.items()
        }
        weights = torch.stack([self.densenet(one) for one in (infrared, visible)]).softmax(0)
        terms = {}
        for task, other in (("ivif", "mfif"), ("mfif", "ivif")):
            fused = network.fused_for(task, shared[task], shared[other].detach()).to(visible.dtype)
            again = network.reconstructed(shared[task]).to(visible.dtype)
            terms[f"common_{task}"] = common_term(again, visible)
            if task == "ivif":
                terms["intensity"] = intensity_term(fused, infrared, visible, weights)
            else:
                terms["supervised"] = F.mse_loss(fused, visible)
        return terms


def common_term(reconstructed: Tensor, visible: Tensor) -> Tensor:
    """How far a reconstruction is from the visible image, (B, 1, H, W) both."""
    with torch.autocast(visible.device.type, enabled=False):
        similarity = ms_ssim(reconstructed, visible, as_published=True, shrinks=True)
        return 1 - similarity + F.mse_loss(reconstructed, visible)


def intensity_term(fused: Tensor, infrared: Tensor, visible: Tensor, weights: Tensor) -> Tensor:
    """Squared errors from both sources, (B, 1, H, W) each, by their weights, (2,)."""
    return weights[0] * F.mse_loss(fused, infrared) + weights[1] * F.mse_loss(fused, visible)


def focus_pair(images: Tensor) -> tuple[Tensor, Tensor]:
    """Sharp on one side of a random line each, (B, 1, H, W)."""
    height, width = images.shape[2:]
    padded = F.pad(images, (RADIUS,) * 4, mode="reflect")
    blurred = F.avg_pool2d(padded, 2 * RADIUS + 1, stride=1)
    angle = 2 * math.pi * torch.rand(len(images), 1, 1, 1, device=images.device)
    offset = 0.5 * torch.rand_like(angle) - 0.25
    down = torch.linspace(-0.5, 0.5, height, device=images.device).view(1, 1, -1, 1)
    across = torch.linspace(-0.5, 0.5, width, device=images.device)
    side = angle.cos() * down + angle.sin() * across > offset
    return torch.where(side, images, blurred), torch.where(side, blurred, images)


def laplacian_energy(features: Tensor) -> Tensor:
    """How much the sum of all channels, (B, F, h, w), differs from the mean of its neighbours.

    Convention: every output channel of the authors' convolution sums all input channels, so all are
    the same; the image is reflected at its border.

    Returns:
        The mean square over pixels and batch, a scalar.
    """
    total = features.sum(1, keepdim=True)
    kernel = total.new_full((1, 1, 3, 3), 1 / 8)
    kernel[..., 1, 1] = -1
    mode = "reflect" if min(total.shape[2:]) > 1 else "replicate"
    return F.conv2d(F.pad(total, (1, 1, 1, 1), mode), kernel).square().mean()


class DenseNetInformation(nn.Module):
    """The energy of edges in the features of a frozen DenseNet-121.

    Args:
        path: File or address of its weights.

    Raises:
        InputError: If there is no such file, or it holds something else.
    """

    def __init__(self, path: str | None) -> None:
        super().__init__()
        import timm

        remedy = (
            "give training.options.densenet the file of DenseNet-121's weights as torchvision or "
            "timm has them"
        )
        if not isinstance(path, str):
            raise InputError(f"the objective learns with a DenseNet-121, got {path!r}; {remedy}")
        stored = read_checkpoint(download(path) if is_address(path) else path).state
        # torchvision's file has norm.1 where its network has norm1
        renamed = {re.sub(r"\.(norm|conv)\.(\d)", r".\1\2", key): x for key, x in stored.items()}
        model = timm.create_model("densenet121", pretrained=False, num_classes=0)
        own = model.state_dict()
        missing = [key for key in own if key not in renamed and "num_batches" not in key]
        if missing or any(renamed[key].shape != own[key].shape for key in own if key in renamed):
            lacking = missing[0] if missing else "other shapes"
            raise InputError(f"{path} is no DenseNet-121 ({lacking}); {remedy}")
        model.load_state_dict({key: x for key, x in renamed.items() if key in own}, strict=False)
        self.features = model.features
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> DenseNetInformation:
        """Always in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Mean over the five stages, of grey images (B, 1, H, W), a scalar."""
        x = images.expand(-1, 3, -1, -1)
        energies = []
        for stage in STAGES:
            for layer in stage:
                x = getattr(self.features, layer)(x)
            energies.append(laplacian_energy(x))
        return torch.stack(energies).mean()
