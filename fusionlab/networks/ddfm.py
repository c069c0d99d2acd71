"""DDFM: a denoising diffusion model for multi-modality image fusion.

Zhao et al., ICCV 2023, https://arxiv.org/abs/2303.06840
Authors' code: https://github.com/Zhaozixiang1228/MMIF-DDFM
Prior: the unconditional ImageNet model of guided diffusion, 256x256_diffusion_uncond.pt, loads as
published; Dhariwal and Nichol, NeurIPS 2021, https://github.com/openai/guided-diffusion
Differs: images are padded to multiples of 32, which the authors cut off. The noise that sampling
starts from is drawn on the CPU for each image alone, so it is the same on every device. Of the
colours of the predicted image only the luma changes; so the authors' way to YCbCr and back is one
sum. Fourier transforms are those of real images. ``width``, ``levels``, ``blocks`` and ``steps``
are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.console import ProgressBar
from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.guided_diffusion import UNet
from fusionlab.networks.published import Published

TRAINED_STEPS = 1000
SEED = 3407
LUMA = (65.481, 128.553, 24.966)  # of RGB, with 16 added, over 255
SHOWN = (0.299, 0.587, 0.114)  # luma of the fused image
LAMBDA, RHO, TINY = 0.5, 0.001, 1e-6


@dataclass
class Likelihood:
    """Expectation and maximisation of the two sources' likelihood, one step after each denoising.

    Args:
        first: I of the paper, (B, 1, H, W) in [-1, 1]; in the authors' script the visible image.
        second: V of the paper, the same; in their script the infrared image.
    """

    first: Tensor
    second: Tensor
    tau: tuple[Tensor, Tensor] = field(init=False)
    """Means of both Laplace priors, of x and of y - x, (B, 1, 1, 1)."""
    gradients: tuple[Tensor, Tensor] = field(init=False)
    """F1 and F2, the auxiliary gradients of x, along columns and rows."""

    def __post_init__(self) -> None:
        """Begin with means of 1 and no gradients."""
        one = torch.ones_like(self.first[:, :, :1, :1])
        zero = torch.zeros_like(self.first)
        self.tau, self.gradients = (one, one), (zero, zero)
        height, width = self.first.shape[2:]
        kind = {"dtype": self.first.dtype, "device": self.first.device}
        turns = (torch.fft.rfftfreq(width, **kind), torch.fft.fftfreq(height, **kind)[:, None])
        self.differences = [torch.polar(torch.ones_like(f), 2 * torch.pi * f) - 1 for f in turns]
        powers = [k.real.square() + k.imag.square() for k in self.differences]
        self.weight = 1 / (1 + powers[0] + powers[1])

    def step(self, fused: Tensor) -> Tensor:
        """A fused image, (B, 1, H, W) in [-1, 1], made more likely."""
        y, x = self.first - self.second, fused - self.second
        tau_a, tau_b = self.tau
        d = (2 / (tau_b * (x.square() + TINY))).sqrt()
        c = (2 / (tau_a * (y - x + TINY).square())).sqrt()
        d = torch.minimum(d, 2 * c)
        means = [
            (1 / (precision + 1e-10) + tau / 2).mean((1, 2, 3), keepdim=True)
            for precision, tau in ((c, tau_a), (d, tau_b))
        ]
        self.tau = (means[0], means[1])
        smooth = self._smooth(y - x)
        self.gradients = (
            RHO / (2 * LAMBDA + RHO) * _falls(smooth, 3),
            RHO / (2 * LAMBDA + RHO) * _falls(smooth, 2),
        )
        x = (2 * c * y + RHO * (y - smooth)) / (2 * c + 2 * d + RHO)
        return self.first - x

    def _smooth(self, image: Tensor) -> Tensor:
        """H: the image whose differences are near the auxiliary gradients."""
        spectrum = torch.fft.rfft2(image)
        for k, gradient in zip(self.differences, self.gradients, strict=True):
            spectrum = spectrum + k.conj() * torch.fft.rfft2(gradient)
        return torch.fft.irfft2(spectrum * self.weight, s=image.shape[2:])


def _falls(image: Tensor, dim: int) -> Tensor:
    """Each value less the next one along a dimension; the last as it is."""
    following = image.narrow(dim, 1, image.shape[dim] - 1)
    sides = (0, 1, 0, 0) if dim == 3 else (0, 0, 0, 1)
    return image - F.pad(following, sides)


def schedule(steps: int) -> tuple[list[int], np.ndarray]:
    """Steps of the training that sampling keeps, and the share of the image left at each.

    Args:
        steps: Number of steps, of 1000; spread evenly, with the first and the last.

    Returns:
        Numbers of the steps from 0, and cumulative products of 1 - β, in double precision.
    """
    every = np.cumprod(1 - np.linspace(1e-4, 0.02, TRAINED_STEPS))
    kept = [round(k * (TRAINED_STEPS - 1) / max(1, steps - 1)) for k in range(steps)]
    return kept, every[kept]


class DDFM(FusionNetwork):
    """Sampling from a diffusion prior, each step of which a likelihood of both sources corrects.

    Takes two sources, visible first; their pictures are always the same. RD would scale what
    enters; a component would be the network with that source on both inputs.

    Args:
        steps: Steps of the sampler; the authors have 100.
        width: Channels of the prior's first level, a multiple of 32.
        levels: Its levels, 1 to 6.
        blocks: Its residual blocks on each level.

    Raises:
        InputError: If an option cannot be.
    """

    min_max_stretch: bool = True
    bytes_per_pixel: ClassVar[int] = 16000
    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    no_export: str = "it draws many samples one after the other"
    no_ttd: ClassVar[str] = "a sampler has no features of each source that RD could scale"
    small: ClassVar[dict[str, Any]] = {"steps": 2, "width": 64, "levels": 2, "blocks": 1}
    paper: ClassVar[str] = "Zhao et al., ICCV 2023"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif")
    licence: ClassVar[str] = "none stated; prior MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "256x256_diffusion_uncond.pt",
            url="https://openaipublic.blob.core.windows.net/diffusion/jul-2021/256x256_diffusion_uncond.pt",
        ),
    )

    def __init__(
        self, steps: int = 100, width: int = 256, levels: int = 6, blocks: int = 2
    ) -> None:
        super().__init__()
        most = {"steps": TRAINED_STEPS, "width": 1024, "levels": 6, "blocks": 8}
        given = {"steps": steps, "width": width, "levels": levels, "blocks": blocks}
        for name, value in given.items():
            if type(value) is not int or not 1 <= value <= most[name]:
                raise InputError(f"ddfm: {name} must be 1 to {most[name]}, got {value!r}")
        if width % 32:
            raise InputError(f"ddfm: width must be a multiple of 32, got {width}")
        self.steps, self.size_multiple = steps, 2 ** (levels - 1)
        self.prior = UNet(width, levels, blocks).requires_grad_(False)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The prior's own keys, which ours have behind ``prior.``."""
        if not isinstance(content, dict) or "time_embed.0.weight" not in content:
            return content
        return {f"prior.{key}": value for key, value in content.items()}

    def encode(self, sources: Tensor) -> Tensor:
        """The sources, (B, 2, 1, H, W) in [0, 1], visible first, rounded to 8 bits."""
        return (255 * sources).round() / 255

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Sources beside each other, (B, 2, 1, H, W), scaled by the gain."""
        return torch.stack(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """The luma of what is sampled for a pair, (B, 2, 1, H, W), to (B, 1, H, W)."""
        pairs = (2 * combined.float() - 1).split(1)  # each alone: rounding of a batch would show
        sampled = torch.cat([self.sample(pair) for pair in pairs])
        luma = sampled.new_tensor(SHOWN).view(3, 1, 1)
        return ((luma * sampled).sum(1, keepdim=True) + 1) / 2

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        twice = features.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(twice, sources).unflatten(0, features.shape[:2])

    def sample(self, pair: Tensor, start: Tensor | None = None) -> Tensor:
        """DDIM without noise, corrected by the likelihood after each prediction.

        Args:
            pair: (B, 2, 1, H, W) in [-1, 1].
            start: What the sampler starts from, (B, 3, H, W); None for noise, the same for each.

        Returns:
            (B, 3, H, W), about in [-1, 1].
        """
        likelihood = Likelihood(pair[:, 0], pair[:, 1])
        x = self.noise(pair) if start is None else start
        kept, shares = schedule(self.steps)
        with ProgressBar("Sampling", self.steps, "steps", transient=True) as bar:
            for k in reversed(range(self.steps)):
                before = float(shares[k - 1]) if k else 1.0
                x = self._denoise(x, likelihood, kept[k], float(shares[k]), before)
                bar.advance()
        return x

    def noise(self, pair: Tensor) -> Tensor:
        """What sampling starts from, (B, 3, H, W)."""
        drawn = torch.randn(
            1, 3, *pair.shape[3:], generator=torch.Generator("cpu").manual_seed(SEED), device="cpu"
        )
        return drawn.to(pair).expand(len(pair), -1, -1, -1)

    def _denoise(
        self, x: Tensor, likelihood: Likelihood, step: int, share: float, before: float
    ) -> Tensor:
        """X at a step, of which ``share`` is the image, to that at the step before."""
        found = self.prior(x, step)[:, :3].to(x.dtype)
        scale, part = (1 / share) ** 0.5, (1 / share - 1) ** 0.5
        clean = (scale * x - part * found).clamp(-1, 1)
        luma = ((clean.new_tensor(LUMA).view(3, 1, 1) * clean).sum(1, keepdim=True) + 16) / 255
        clean = clean + (likelihood.step(luma) - luma) * (255 / sum(LUMA))
        noise = (scale * x - clean) / part
        return before**0.5 * clean + (1 - before) ** 0.5 * noise
