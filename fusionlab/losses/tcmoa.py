"""The objective of TC-MoA: infrared, exposures and focus in turn, by adapters alone.

Zhu et al., CVPR 2024, https://arxiv.org/abs/2403.12494
Authors' code: https://github.com/YangSun22/TC-MoA
Differs: the authors crop 0.9 of a side or more at random, resize to 448x448 and flip; here patches
keep their size. Their learning rate rises over the first two epochs. The average of the weights
(``training.ema``) is of all that learns, theirs leaves out the fusion layers. Each image of a batch
has MEF-SSIM by itself; theirs stand on top of each other, as one image.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.rounds import TASKS, open_rounds
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.losses.similarity import contrast_and_similarity, window_means
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.tcmoa import Choice, TCMoA
from fusionlab.settings import Training

LEARNT = (  # beginnings of keys; the rest is the masked autoencoder
    *("Alpha_", "en_relative", "de_relative", "de_Fusion", "Fusion"),
    *("blocks_MoA", "decoder_blocks_MoA"),
)
WARM_UP = 2  # epochs
ACROSS = ((-0.2, 0.0, 0.2), (-1.0, 0.0, 1.0), (-0.2, 0.0, 0.2))
UP = ((0.2, 1.0, 0.2), (0.0, 0.0, 0.0), (-0.2, -1.0, -0.2))
C1, C2 = 0.01**2, 0.03**2


class TCMoAObjective(Objective):
    """A step for each task in turn, with losses of the task, of the prompts and of the gates.

    Args:
        mae: The checkpoint of a masked autoencoder of the network's size, trained with a GAN loss;
            its weights stay as they are. Without, the whole network learns.
    """

    trains: ClassVar[type[FusionNetwork]] = TCMoA
    unused_parameters: ClassVar[bool] = True

    def __init__(self, mae: str | None = None) -> None:
        super().__init__()
        if mae is not None and not isinstance(mae, str):
            raise InputError(f"training.options.mae must be a path, got {mae!r}")
        self.mae = mae

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Pairs of the three tasks."""
        return open_rounds(settings, TCMoA.source_order), None

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """Weights, and what is not decayed: parameters of one dimension.

        Raises:
            InputError: If the masked autoencoder does not fit.
        """
        if self.mae is not None:
            load_autoencoder(network, self.mae)
        learnt = [one for one in network.parameters() if one.requires_grad]
        return [
            ParameterGroup("weights", [one for one in learnt if one.ndim > 1]),
            ParameterGroup("biases", [one for one in learnt if one.ndim <= 1], decays=False),
        ]

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of the task whose turn it is, (B, 2, 3, S, S) in the batch."""
        assert isinstance(network, TCMoA)
        task = TASKS[step.index % len(TASKS)]
        sources: Tensor = batch[task]
        features = network.encode(network.pad(sources), task)
        choices: list[Choice] = []
        fused = network.fuse_pair(features.images, features.task.value, choices)
        fused = network.crop(fused, sources).to(sources.dtype).clamp(0, 1)
        prompts = prompt_loss(choices, len(network.blocks_MoA))
        balance = balance_loss(choices) / (step.epoch + 1)
        terms = fusion_terms(task, fused, sources, step.epoch < WARM_UP)
        weight = 1.8 if task == "mef" and step.epoch >= WARM_UP else 1.0
        return {**terms, "prompt": weight * prompts, "balance": balance}


def fusion_terms(task: str, fused: Tensor, sources: Tensor, warm_up: bool) -> dict[str, Tensor]:
    """The terms of a task.

    Args:
        task: ``vif``, ``mef`` or ``mff``.
        fused: (B, 3, H, W) in [0, 1].
        sources: (B, 2, 3, H, W) in [0, 1].
        warm_up: Whether it is one of the first epochs.
    """
    maps = [contrast_and_similarity(fused, one, padding=5)[1] for one in sources.unbind(1)]
    similar = 1 - torch.stack(maps).mean()  # with zeros around the images
    if task == "mff":
        target = sharper(sources)
        if warm_up:
            return {"pixel": F.l1_loss(fused, target), "ssim": similar}
        edges = F.l1_loss(slopes(fused), slopes(target))
        pixel = F.l1_loss(fused, target)
        return {"gradient": 60 * edges, "pixel": 20 * pixel, "ssim": 3 * similar}
    mean = 3 * F.l1_loss(fused, sources.mean(1))
    if warm_up:
        return {"pixel": mean, "ssim": similar}
    gradient = 3 * steepest_loss(fused, sources)
    if task == "vif":
        largest = F.l1_loss(fused, sources.amax(1))
        return {"gradient": 1.5 * gradient, "pixel": 1.5 * largest, "ssim": 2 * similar}
    exposures = 1 - mef_ssim(fused, sources)
    return {"gradient": 1.8 * gradient, "pixel": 1.8 * mean, "mef_ssim": 3.6 * exposures}


def prompt_loss(choices: list[Choice], encoder: int) -> Tensor:
    """Squared distance of both prompts' sum from 1, of mixtures of the encoder and the decoder."""
    errors = torch.stack([(one.prompts.sum(0) - 1).square().mean() for one in choices])
    return 0.75 * errors[:encoder].mean() + 0.25 * errors[encoder:].mean()


def balance_loss(choices: list[Choice]) -> Tensor:
    """How unequally experts are used: squared variations of gates and load, times 0.001."""
    used = [one.gates.flatten(0, 1).sum(0) for one in choices]
    parts = [_variation(one) + _variation(c.load) for one, c in zip(used, choices, strict=True)]
    return 1e-3 * torch.stack(parts).sum()


def _variation(x: Tensor) -> Tensor:
    return x.var() / (x.mean().square() + 1e-10)


def slopes(images: Tensor) -> Tensor:
    """Signed responses to both filters, added, and over channels: (B, C, H, W) to (B, 1, H, W)."""
    kernels = (images.new_tensor(one).expand(1, images.shape[1], 3, 3) for one in (ACROSS, UP))
    across, up = (F.conv2d(images, kernel, padding=1) for kernel in kernels)
    return across + up  # one after the other: where sources tie, rounding decides


def steepest_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """Distance of slopes from those of the steeper source."""
    first, second = (slopes(one) for one in sources.unbind(1))
    return F.l1_loss(slopes(fused), torch.where(first.abs() >= second.abs(), first, second))


def sharper(sources: Tensor) -> Tensor:
    """In squares of 16 pixels the source with the largest grey slope, (B, 3, H, W)."""
    grey = sources.flatten(0, 1).mean(1, keepdim=True)
    steep = F.max_pool2d(slopes(grey).abs(), 16, ceil_mode=True).unflatten(0, sources.shape[:2])
    choice = (steep[:, 1] > steep[:, 0]).repeat_interleave(16, 2).repeat_interleave(16, 3)
    choice = choice[..., : sources.shape[3], : sources.shape[4]]
    return torch.where(choice, sources[:, 1], sources[:, 0])


def mef_ssim(fused: Tensor, sources: Tensor) -> Tensor:
    """MEF-SSIM of colours, as one patch of three channels.

    Convention: Gaussian window of 11x11, sigma 11/6, zeros around the image; the contrast and
    structure of the source with the larger variance; the luminance of a mean of the sources,
    weighted by how near to 1/2 each is here and on the whole; the product of both means.
    """

    def means(x: Tensor) -> Tensor:
        return window_means(x, 11, 11 / 6, 5).mean(1, keepdim=True)

    mean = means(fused)
    variance = means(fused * fused) - mean**2
    own, variances, likeness = [], [], []
    for one in sources.unbind(1):
        own.append(means(one))
        variances.append(means(one * one) - own[-1] ** 2)
        both = means(fused * one) - mean * own[-1]
        likeness.append((2 * both + C2) / (variance + variances[-1] + C2))
    first, second = likeness
    structure = torch.where(variances[0] >= variances[1], first, second)
    weights = [exposure(one) * exposure(one.mean((2, 3), keepdim=True)) for one in own]
    wanted = (weights[0] * own[0] + weights[1] * own[1]) / (weights[0] + weights[1])
    luminance = (2 * mean * wanted + C1) / (mean**2 + wanted**2 + C1)
    return (luminance.mean((1, 2, 3)) * structure.mean((1, 2, 3))).mean()


def exposure(level: Tensor) -> Tensor:
    """How near levels are to 1/2."""
    return (-(level - 0.5).square() / 0.08).exp()


def load_autoencoder(network: FusionNetwork, path: str) -> None:
    """Give a network the weights of a masked autoencoder, and freeze them.

    Raises:
        InputError: If it is of another size, or none.
    """
    found = read_checkpoint(path).state
    own = {k: v for k, v in network.state_dict().items() if not k.startswith(LEARNT)}
    wrong = [k for k, v in own.items() if k not in found or found[k].shape != v.shape]
    if wrong:
        raise InputError(
            f"{path} is no masked autoencoder of the size of the network: {', '.join(wrong[:4])}; "
            "set training.options.mae or network.options.size"
        )
    network.load_state_dict({k: found[k] for k in own}, strict=False)
    for key, parameter in network.named_parameters():
        if key in own:
            parameter.requires_grad_(False)
