"""Automatic temperature and channel: chosen without labels, once for a whole data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fusionlab.settings.ttd import TTD
from fusionlab.ttd.dominability import relative_dominability
from fusionlab.ttd.encoded import Encoded
from fusionlab.ttd.fusion import TestTimeDynamicFusion
from fusionlab.ttd.gradient import channel_maps, gradient_magnitude
from fusionlab.ttd.losses import reconstruction_loss
from fusionlab.ttd.theorem import generalisation_bound
from fusionlab.ttd.tiles import TiledEncoded

FACTOR = 0.1
"""c in γ = c / s. The difference of two scores, e^−γℓ₁ − e^−γℓ₂, is largest at γ = 1 / ℓ where the
losses are close. A tenth of it is the careful choice: on scenes with a ground truth larger ones
still gain PSNR, but begin to lose SSIM on multi-exposure, and single images lose PSNR."""


@torch.no_grad()
def calibrate(dynamic: TestTimeDynamicFusion, batches: Sequence[Encoded | TiledEncoded]) -> TTD:
    """Settings with numbers in place of ``auto``.

    Args:
        dynamic: Whose settings are completed; the network and the objective.
        batches: A few samples to choose on, encoded by that network.

    Returns:
        The settings; the same where nothing is automatic.

    Raises:
        ValueError: If there is nothing to calibrate on.
    """
    settings = dynamic.settings
    if not settings.needs_calibration:
        return settings
    if not batches:
        raise ValueError("temperature and channel are chosen on at least one sample")
    if settings.channel == "auto":
        settings = replace(settings, channel=best_channel(channel_scores(dynamic, batches)))
    if settings.temperature == "auto":
        chosen = TestTimeDynamicFusion(dynamic.network, settings, objective=dynamic.objective)
        criteria = (chosen.criterion(batch) for batch in batches)
        settings = replace(settings, temperature=automatic_temperature(criteria))
    return settings


def best_channel(scores: Sequence[float]) -> int:
    """The channel with the lowest score, the first of equals."""
    return min(range(len(scores)), key=scores.__getitem__)


def channel_scores(
    dynamic: TestTimeDynamicFusion, batches: Iterable[Encoded | TiledEncoded]
) -> list[float]:
    """How far the RD of each channel's gradient follows the reconstruction loss; lower is better.

    That covariance is what the paper's bound falls by (Eq. 4). The score of a channel is Cov(ω, ℓ)
    over the pixels of an image, mean over sources and images, with ω from that channel alone and,
    where the temperature is automatic, that of its image. No truth is needed.

    Args:
        dynamic: Gradient-based TTD; its channel is not used.
        batches: A few samples.

    Returns:
        In the unit of the loss, by channel, through all branches of the features.

    Raises:
        InputError: If the network's components have no gradient.
    """
    settings, totals, images = dynamic.settings, torch.zeros(()), 0
    for encoded in batches:
        found = encoded.gradients(str(settings.compare), str(settings.loss), dynamic.differentiated)
        losses = reconstruction_loss(found.images, encoded.sources, dynamic.pixel_loss)
        scores = []
        for channel in channel_maps(found.branches, encoded.encoded_size):
            size = encoded.encoded_size
            magnitude = gradient_magnitude((channel,), size, 0, dynamic.is_windowed)
            magnitude = dynamic.network.crop(magnitude, encoded.sources)
            automatic = settings.temperature == "auto"
            rd = relative_dominability(
                magnitude,
                image_temperatures(magnitude) if automatic else settings.temperature,  # type: ignore[arg-type]
                str(settings.form),
                str(settings.normalization),
                str(settings.correlation),
            )
            scores.append(generalisation_bound(rd, losses).covariances.mean(1).sum())
        totals = totals.to(losses) + torch.stack(scores)
        images += len(losses)
    return (totals / images).tolist()


def image_temperatures(losses: Tensor) -> Tensor:
    """γ = c / s of every image, s = Σℓ² / Σℓ over its pixels and sources.

    s is the mean loss in which every pixel counts by its own loss. Pixels without loss (flat
    regions, a black background) change neither sum; of a median they could be the whole answer.

    Args:
        losses: (B, M, 1, H, W), ≥ 0; or magnitudes of gradients.

    Returns:
        (B, 1, 1, 1, 1), ≥ 0, in the inverse unit of the losses: c times the losses give c times
        smaller γ and the same RD. 0, that is uniform RD, for an image without loss.
    """
    largest, first, second = _sums(losses)
    found = largest > 0
    return torch.where(found, FACTOR * first / (second * largest).where(found, 1), 0)


def automatic_temperature(losses: Iterable[Tensor]) -> float:
    """One γ for many images, of any sizes: the same formula over all their pixels.

    Args:
        losses: Tensors (B, M, 1, H, W), ≥ 0.

    Returns:
        γ ≥ 0; 0 if nothing has a loss.
    """
    first = second = 0.0
    for batch in losses:
        for scale, once, squared in torch.stack(_sums(batch)).flatten(1).T.tolist():
            first, second = first + scale * once, second + scale * scale * squared
    return FACTOR * first / second if second > 0 else 0.0


def _sums(losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest loss of every image, and Σℓ and Σℓ² in units of it: no square underflows."""
    losses, area = losses.to(torch.promote_types(losses.dtype, torch.float32)), (1, 2, 3, 4)
    largest = losses.amax(area, keepdim=True)
    shares = losses / largest.where(largest > 0, 1)
    return largest, _total(shares), _total(shares.square())


def _total(values: Tensor) -> Tensor:
    """Sum of every image; rows first: the same to the last bit for any number of threads."""
    return values.sum(-1, keepdim=True).sum((1, 2, 3), keepdim=True)
