"""The theorem of TTD, measured: the bound on the generalisation error (Eq. 4) and its fall (Eq. 5).

Where the loss is convex and the fused features are Σ ω⁽ᵐ⁾ f⁽ᵐ⁾ with ω that sum to 1 (a mean rule),
Jensen's inequality bounds the error at each pixel by Σ ω⁽ᵐ⁾ ℓ⁽ᵐ⁾ plus what does not depend on ω.
Averaged over pixels that is, for each image,

    error ≤ GEB = Σ_m E[ω⁽ᵐ⁾] E[ℓ⁽ᵐ⁾] + Σ_m Cov(ω⁽ᵐ⁾, ℓ⁽ᵐ⁾) + const        (Eq. 4)

Static fusion has a constant ω: its covariance is 0. The paper's claim is GEB_dynamic < GEB_static
(Eq. 5), and what it builds RD for is Cov < 0. The constant is the same on both sides of Eq. 5 and
left out here, so an error may exceed its bound. This form is derived from the paper's statement.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlab.ttd.losses import reconstruction_loss


@dataclass(frozen=True)
class Bound:
    """Eq. 4 for B images with M sources, in the unit of the loss, without the constant.

    Args:
        rd: E[ω], mean over pixels, (B, M).
        losses: E[ℓ], (B, M).
        covariances: Cov(ω, ℓ) over pixels, of the population, (B, M).
    """

    rd: Tensor
    losses: Tensor
    covariances: Tensor

    @property
    def dynamic(self) -> Tensor:
        """GEB of RD, Σ E[ω] E[ℓ] + Cov(ω, ℓ), (B,)."""
        return (self.rd * self.losses + self.covariances).sum(1)

    @property
    def static(self) -> Tensor:
        """GEB of uniform RD, the mean of E[ℓ] over the sources, (B,)."""
        return self.losses.mean(1)

    @property
    def dynamic_is_lower(self) -> Tensor:
        """Whether Eq. 5 holds by more than rounding, (B,) bool."""
        return self.dynamic < self.static - self._rounding

    @property
    def covariance_is_negative(self) -> Tensor:
        """Whether the covariances of an image sum to less than 0 and rounding, (B,) bool."""
        return self.covariances.sum(1) < -self._rounding

    @property
    def _rounding(self) -> Tensor:
        """What uniform RD, 1/M rounded, may differ by, (B,)."""
        return 8 * torch.finfo(self.losses.dtype).eps * self.static


def generalisation_bound(rd: Tensor, losses: Tensor) -> Bound:
    """Measure the right side of Eq. 4.

    Args:
        rd: ω, (B, M, 1, H, W), summing to 1 over M.
        losses: ℓ of the uni-source components, (B, M, 1, H, W), ≥ 0.

    Raises:
        ValueError: If the shapes differ.
    """
    if rd.shape != losses.shape:
        got = f"{tuple(rd.shape)} and {tuple(losses.shape)}"
        raise ValueError(f"rd and losses must be (B, M, 1, H, W) alike, got {got}")
    kind = torch.promote_types(losses.dtype, torch.float32)
    omega, loss = rd.to(kind).flatten(2), losses.to(kind).flatten(2)
    means = omega.mean(2), loss.mean(2)
    centred = (omega - means[0].unsqueeze(2)) * (loss - means[1].unsqueeze(2))
    return Bound(*means, centred.mean(2))


def fusion_error(fused: Tensor, truth: Tensor, loss: str = "l1") -> Tensor:
    """The left side of Eq. 4 where there is a ground truth.

    Args:
        fused: (B, C, H, W), unclamped.
        truth: (B, C, H, W) in [0, 1].
        loss: ``l1``, ``mse``, ``ssim`` or ``structure``; the one that the bound is made of.

    Returns:
        Mean over pixels and channels, (B,), ≥ 0.
    """
    losses = reconstruction_loss(fused.unsqueeze(1), truth.unsqueeze(1), loss)
    return losses.mean((1, 2, 3, 4))


def truth_bound(rd: Tensor, components: Tensor, truth: Tensor, loss: str = "l1") -> Bound:
    """The right side of Eq. 4 with each component held against the truth, not its own source.

    It needs no constant. It is at least the error if the loss is convex, the decoder linear, pixel
    by pixel, and the fused features are Σ ω f: under a mean rule whose gain is M·ω. A sum rule
    fuses M times that.

    Args:
        rd: ω, (B, M, 1, H, W), summing to 1 over M.
        components: Uni-source components, (B, M, C, H, W), unclamped.
        truth: (B, C, H, W) in [0, 1].
        loss: ``l1``, ``mse`` (both convex), ``ssim`` or ``structure``.
    """
    target = truth.unsqueeze(1).expand_as(components)
    return generalisation_bound(rd, reconstruction_loss(components, target, loss))
