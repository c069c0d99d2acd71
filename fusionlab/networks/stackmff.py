"""StackMFF: multi-focus fusion of stacks of any number of images, V2 and V3.

V2: Xie et al., One-shot multi-focus image stack fusion via focal depth regression, Engineering
Applications of Artificial Intelligence, 2025; authors' code:
https://github.com/Xinzhe99/StackMFF-V2
V3: the network of attention alone in openfocus 1.72.0, https://github.com/Xinzhe99/OpenFocus; no
paper is known, and it is not the network of the authors' repository StackMFF-V3.
Differs: nothing; stackmff_v2_final.pth and stackmff_v3_final.pth load as published and are applied
as OpenFocus does, one stack at a time. Choices that cannot be differentiated hand the gradient to
the probabilities, and so every weight learns.
TTD: features are the probabilities of the images of a stack at each pixel. An image alone comes
back as it is, so RD of components is uniform and TTD does nothing; RD given by hand multiplies the
probabilities, which then sum to 1 again.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks import stackmff_v2, stackmff_v3
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

RULES = {"v2": ("depth",), "v3": ("soft", "hard")}  # the first is that of auto
LUMA = (9798, 19235, 3735)  # OpenCV's integers: 32768 times 0.299, 0.587, 0.114
TINY = 1e-30  # where RD leaves no image any probability, all have the same


class StackMFF(FusionNetwork):
    """Chooses each pixel from the image of the stack that is sharpest there.

    Takes any number of sources. V2 expects them in the order of their focus; V3 does not mind.

    Args:
        version: ``v2`` or ``v3``; published checkpoints tell it.
        rule: ``depth`` (V2): the mean place in the stack, stretched over all places of the picture;
            of V3 ``soft``, the mean weighted by probability, or ``hard``, the most probable image.
            ``auto`` is the first of each version.

    Raises:
        InputError: If the version is unknown, or the rule none of it.
    """

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mff"})
    padding_mode: ClassVar[str] = "replicate"
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"mff": ("near", "middle", "far")}
    bytes_per_pixel: ClassVar[int] = 1200
    reach: ClassVar[int] = 96  # of V3: windows of 32 pixels, shifted, at three quarters of the size
    tile_multiple: ClassVar[int] = 128  # so that these windows too begin where tiles do
    is_local: bool = True
    small: ClassVar[dict[str, Any]] = {"version": "v2"}
    ttd_note: ClassVar[str] = (
        "it chooses pixels of the sources, each of which alone comes back as it is: RD is uniform "
        "and TTD changes nothing"
    )
    objective: ClassVar[str] = "stackmff"
    paper: ClassVar[str] = "Xie et al., EAAI 2025 (V2); OpenFocus (V3)"
    tasks: ClassVar[tuple[str, ...]] = ("mff",)
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "stackmff_v2_final.pth",
            {"version": "v2"},
            sha256="cb923ed0265765e8471c7fcb15a08d1cee296809254e03e97418c664d655d179",
        ),
        Published(
            "stackmff_v3_final.pth",
            {"version": "v3"},
            sha256="39b2ea3738e8fea1676c379238d6be81a87988fc9952dbd6ac3825d5d7249f46",
        ),
    )

    def __init__(self, version: str = "v3", rule: str = "auto") -> None:
        super().__init__()
        if version not in RULES:
            raise InputError(f"version must be one of {', '.join(RULES)}, got {version!r}")
        if rule not in ("auto", *RULES[version]):
            rules = ", ".join(("auto", *RULES[version]))
            raise InputError(f"rule of {version} must be one of {rules}, got {rule!r}")
        self.version, self.rule = version, RULES[version][0] if rule == "auto" else rule
        self.scorer: stackmff_v2.FocusScores | stackmff_v3.FocusLogits
        if version == "v2":
            self.scorer, self.size_multiple = stackmff_v2.FocusScores(), stackmff_v2.MULTIPLE
            self.is_local = False  # channels are weighed by their means over the image
        else:
            self.scorer, self.size_multiple = stackmff_v3.FocusLogits(), stackmff_v3.MULTIPLE

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """Below ``scorer``, where ours are."""
        weights = content.get("model", content) if isinstance(content, dict) else None
        if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
            return content
        if any(key.startswith("scorer.") for key in weights):
            return content
        return {f"scorer.{key.removeprefix('module.')}": x for key, x in weights.items()}

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W) in [0, 1] to probabilities, (B, M, 1, H, W), summing to 1 over M."""
        luma = rounded_luma(sources)
        if isinstance(self.scorer, stackmff_v2.FocusScores):
            return self.scorer(luma).float().softmax(1)
        probabilities = self.scorer.probabilities(luma)
        return stackmff_v3.smoothed(probabilities) if self.rule == "soft" else probabilities

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Probabilities scaled by the gain, summing to 1 over M again: (B, M, 1, H, W)."""
        scaled = torch.stack(list(scale_features(features, gain)), 1) + TINY
        return scaled / scaled.sum(1, keepdim=True)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """Pixels of the sources, (B, M, C, H, W), by probabilities, (B, M, 1, H, W)."""
        weights = combined
        if self.rule != "soft":
            chosen = index_of_depth(combined) if self.rule == "depth" else combined.argmax(1)
            weights = F.one_hot(chosen, combined.shape[1]).movedim(-1, 1).to(combined)
            weights = weights + (combined - combined.detach())  # the gradient passes the choice
        return (weights * sources).sum(1)


def depth(probabilities: Tensor) -> Tensor:
    """Mean place in the stack, stretched over [0, 1] within each picture.

    Args:
        probabilities: (B, M, 1, H, W), summing to 1 over M.

    Returns:
        (B, 1, H, W), 0 the first image and 1 the last; 0 everywhere where all places are the same.
    """
    count = probabilities.shape[1]
    place = torch.arange(1, count + 1, device=probabilities.device).view(1, -1, 1, 1, 1)
    mean = (place * probabilities).sum(1)
    low, high = mean.amin((1, 2, 3), keepdim=True), mean.amax((1, 2, 3), keepdim=True)
    return (mean - low) / (high - low).where(high > low, 1)


def index_of_depth(probabilities: Tensor) -> Tensor:
    """The image nearest to the depth, from 0, (B, 1, H, W)."""
    return (depth(probabilities) * (probabilities.shape[1] - 1)).round().long()


def rounded_luma(sources: Tensor) -> Tensor:
    """Luma of 8-bit images as OpenCV rounds it, (B, M, C, H, W) to (B, M, 1, H, W); luma stays."""
    if sources.shape[2] == 1:
        return sources
    weights = torch.tensor(LUMA, device=sources.device, dtype=torch.float32).view(3, 1, 1)
    levels = (sources.float() * 255).round()
    total = (levels * weights).sum(2, keepdim=True)  # below 2^24, exact
    return ((total + 16384) / 32768).floor().div(255).to(sources)
