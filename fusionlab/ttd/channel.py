"""Automatic channel of gradient-based RD: chosen without labels, the same for a whole data set."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.ttd.dominability import reconstruction_loss
from fusionlab.ttd.gradient import feature_gradients, gradient_magnitude
from fusionlab.ttd.similarity import SIGMA, WINDOW
from fusionlab.ttd.temperature import FACTOR
from fusionlab.ttd.theorem import generalisation_bound

if TYPE_CHECKING:
    from fusionlab.ttd.fusion import TestTimeDynamicFusion

Encoded = tuple[Any, Tensor]
"""Features that a network encoded, and their sources (B, M, C, H, W)."""


class ChannelChoice(NamedTuple):
    """A channel and what every channel scored."""

    channel: int
    """Number of the channel, through all branches of the features, from 0."""
    scores: tuple[float, ...]
    """Covariance by channel, in the unit of the loss. Lower is better."""


def choose_channel(dynamic: TestTimeDynamicFusion, calibration: Iterable[Encoded]) -> ChannelChoice:
    """The channel whose weight covaries most negatively with the reconstruction loss.

    That covariance is what the paper's bound falls by (Eq. 4). The score of a channel is Cov(ω, ℓ)
    over the pixels of an image, mean over sources and images, with ω from that channel alone under
    the settings of ``dynamic``. Of equal scores the first wins; no truth is needed.

    Args:
        dynamic: Gradient-based TTD; its channel is not used.
        calibration: A few encoded batches.

    Raises:
        InputError: If the network's components have no gradient.
        ValueError: If there is nothing to calibrate on.
    """
    totals: Tensor | None = None
    images = 0
    for features, sources in calibration:
        found = feature_gradients(
            dynamic.network, features, sources, dynamic.differentiated, dynamic.compare
        )
        losses = reconstruction_loss(found.images, sources, dynamic.map_loss)
        scores = torch.stack(_covariances(dynamic, found.branches, losses))
        totals = scores if totals is None else totals + scores
        images += len(sources)
    if totals is None:
        raise ValueError("a channel is chosen on at least one image")
    means = (totals / images).tolist()
    return ChannelChoice(means.index(min(means)), tuple(means))


def cached_choice(dynamic: TestTimeDynamicFusion, sources: list[Tensor]) -> ChannelChoice:
    """:func:`choose_channel`, kept as JSON in $FUSIONLAB_CACHE, else ~/.cache/fusionlab.

    The key is a hash of weights, settings, constants and images: with others it is chosen anew.

    Args:
        dynamic: Gradient-based TTD.
        sources: A few batches to calibrate on, (B, M, C, H, W) in [0, 1].
    """
    root = os.environ.get("FUSIONLAB_CACHE") or Path.home() / ".cache" / "fusionlab"
    network = dynamic.network
    name = network.name or type(network).__name__
    path = Path(root).expanduser() / "channels" / f"{name}-{_key(dynamic, sources)}.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        return ChannelChoice(kept["channel"], tuple(kept["scores"]))
    choice = choose_channel(dynamic, ((network.encode(batch), batch) for batch in sources))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")  # several processes may write
        partial.write_text(json.dumps(choice._asdict()))
        partial.replace(path)
    except OSError as fault:
        reason = fault.strerror or fault
        raise InputError(
            f"the channel cannot be kept at {path} ({reason}); set FUSIONLAB_CACHE to a folder"
        ) from None
    return choice


def _covariances(
    dynamic: TestTimeDynamicFusion, branches: tuple[Tensor, ...], losses: Tensor
) -> list[Tensor]:
    """By channel, summed over the batch; one channel at a time, for memory."""
    height, width = losses.shape[3:]
    scores = []
    for branch in branches:
        for channel in branch.split(1, dim=2):
            magnitude = gradient_magnitude((channel,), (height, width), 0, dynamic.loss)
            weights = dynamic.weigh(magnitude)
            scores.append(generalisation_bound(weights, losses).covariances.mean(1).sum())
    return scores


def _key(dynamic: TestTimeDynamicFusion, sources: list[Tensor]) -> str:
    digest = hashlib.sha256()
    computed = {"factor": FACTOR, "window": WINDOW, "sigma": SIGMA}
    settings = [dynamic.compare, dynamic.loss, dynamic.network.options, dynamic.weighting, computed]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for tensor in [*dynamic.network.state_dict().values(), *sources]:
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        plain = tensor.detach().cpu().flatten().contiguous()  # a scalar has no bytes to view
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:24]
