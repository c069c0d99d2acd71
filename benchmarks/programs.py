"""What is compared: each network here, with TTD here, and as its authors run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.authors import AuthorsIFCNN, authors_cddfuse
from benchmarks.authors_ddfm import AuthorsDDFM
from benchmarks.authors_decisions import AuthorsGACN, AuthorsSESF
from benchmarks.authors_defusion import AuthorsDeFusion
from benchmarks.authors_defusionpp import AuthorsDeFusionPP
from benchmarks.authors_early import AuthorsMUFusion, AuthorsPMGI, AuthorsU2Fusion
from benchmarks.authors_exposures import AuthorsDeepFuse, AuthorsHoLoCo
from benchmarks.authors_tcmoa import AuthorsTCMoA
from benchmarks.authors_vif import AuthorsDIVFusion, AuthorsSwinFuse
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.ttd import TestTimeDynamicFusion

TTD_PRESET = "paper"  # decodes every source, the most that loss-based TTD does
Program = Callable[[Tensor], Tensor]


class Subject(NamedTuple):
    """A network in the benchmark, with the size of the sources it is measured on."""

    title: str
    height: int = 240
    width: int = 320
    checkpoint: str | None = None
    authors: Callable[[FusionNetwork], Program] | None = None
    channels: int = 1
    options: Mapping[str, Any] = MappingProxyType({})
    """Of the network, where as published it would take minutes."""


SUBJECTS = {
    "ifcnn": Subject("IFCNN", 480, 640, "bundled", AuthorsIFCNN),
    "cddfuse": Subject("CDDFuse", authors=authors_cddfuse),
    "defusion": Subject("DeFusion", authors=AuthorsDeFusion, channels=3),
    "defusionpp": Subject("DeFusionPP", 480, 640, authors=AuthorsDeFusionPP, channels=3),
    "densefuse": Subject("DenseFuse"),
    "piafusion": Subject("PIAFusion"),
    "u2fusion": Subject("U2Fusion", authors=AuthorsU2Fusion),
    "mufusion": Subject("MUFusion", authors=AuthorsMUFusion),
    "pmgi": Subject("PMGI", authors=AuthorsPMGI),
    "deepfuse": Subject("DeepFuse", 480, 640, authors=AuthorsDeepFuse),
    "holoco": Subject("HoLoCo", authors=AuthorsHoLoCo, channels=3),
    "sesf": Subject("SESF", authors=AuthorsSESF),
    "gacn": Subject("GACN", authors=AuthorsGACN),
    "swinfuse": Subject("SwinFuse", 224, 448, authors=AuthorsSwinFuse),
    "divfusion": Subject("DIVFusion", 96, 128, authors=AuthorsDIVFusion),
    "tcmoa": Subject("TCMoA", 112, 224, authors=AuthorsTCMoA, channels=3, options={"size": "tiny"}),
    "ddfm": Subject(
        "DDFM", 96, 128, authors=AuthorsDDFM, options={"steps": 4, "width": 64, "blocks": 1}
    ),
}


def build(name: str, device: str = "cpu") -> dict[str, Program]:
    """Programs that fuse sources, with the same weights: ``dynamic``, ``static``, ``authors``.

    The first with ``TTD_PRESET``, where the network has TTD, the last only where the authors'
    version is written here.
    Weights are the bundled ones, or drawn from a fixed seed.
    """
    torch.manual_seed(0)
    subject = SUBJECTS[name]
    network = create_network(name, subject.checkpoint, **subject.options).to(device)
    programs: dict[str, Program] = {"static": network}
    if not network.no_ttd:
        dynamic = TestTimeDynamicFusion(network, TTD_PRESET)
        programs["dynamic"] = lambda sources: dynamic(sources).fused
    if subject.authors is not None:
        programs["authors"] = subject.authors(network)
    return programs


def random_sources(height: int, width: int, device: str = "cpu", channels: int = 1) -> Tensor:
    """Two sources, (1, 2, C, H, W), from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 2, channels, height, width, generator=generator).to(device)


def random_triples(height: int, width: int, batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """8-bit images, (B, 1, H, W), fused from two smooth and noisy sources, (B, 2, 1, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2 * batch, 1, 8, 8, generator=generator)
    smooth = interpolate(coarse, (height, width), mode="bicubic")
    noise = 0.1 * torch.rand(smooth.shape, generator=generator)
    sources = (255 * (smooth + noise)).clamp(0, 255).round().unflatten(0, (batch, 2))
    return sources.mean(dim=1).round(), sources


def luma(image: Tensor) -> Tensor:
    """(B, 1, H, W) as it is; (B, 3, H, W) to its luma."""
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return image if image.shape[1] == 1 else (image * weights).sum(1, keepdim=True)


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Largest difference of the luma of two images, of the second's largest where that is over 1.

    Untrained networks without norms make images far above 1.
    """
    scale = max(1.0, luma(other).abs().max().item())
    return (luma(one) - luma(other)).abs().max().item() / scale
