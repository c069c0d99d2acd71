"""The test-time wrapper: any fusion network, made dynamic without training."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import TTD
from fusionlab.ttd.dominability import reconstruction_loss, relative_dominability


class DynamicFusion(NamedTuple):
    """What test-time dynamic fusion computes of B samples with M sources."""

    fused: Tensor
    """(B, C, H, W), in the range of the sources, unclamped."""
    weights: Tensor
    """Relative Dominability, (B, M, 1, H, W)."""
    components: Tensor
    """Uni-source components, (B, M, C, H, W), unclamped."""
    losses: Tensor
    """Reconstruction losses per pixel, (B, M, 1, H, W), before the temperature."""


class TestTimeDynamicFusion(nn.Module):
    """Scale each source's features by its Relative Dominability before the static rule.

    Needs no training. The encoder runs once on all sources; its features serve the components and
    the dynamic fusion. Equal losses give the network's static output, bit for bit.

        network = create_network("ifcnn", "bundled")
        dynamic = TestTimeDynamicFusion(network, preset="authors")
        result = dynamic(sources)  # result.fused, .weights, .components, .losses

    Args:
        network: Any fusion network.
        preset: ``paper`` (Eq. 6: l1, γ = 1) or ``authors`` (their published script: mse, γ = 50).
        loss: ``l1`` or ``mse``; this and the following default to the preset's.
        temperature: γ ≥ 0.
        form: ``exp``, ``linear`` or ``sigmoid``; see :func:`relative_dominability`.
        normalization: ``softmax``, ``proportional`` or ``none``.
        correlation: ``negative`` or ``positive``.

    Raises:
        InputError: If a choice is unknown or the temperature negative.

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024.
    """

    __test__ = False  # its name looks like a test to pytest

    def __init__(
        self,
        network: FusionNetwork,
        preset: str = "paper",
        *,
        loss: str | None = None,
        temperature: float | None = None,
        form: str | None = None,
        normalization: str | None = None,
        correlation: str | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        settings = TTD(preset, loss, temperature, form, normalization, correlation)  # type: ignore[arg-type]  # TTD checks them
        self.weighting = settings.choices()
        self.loss: str = self.weighting.pop("loss")

    def forward(self, sources: Tensor) -> DynamicFusion:
        """Fuse (B, M, C, H, W) in [0, 1] dynamically."""
        self.network.check_sources(sources)
        return self.fuse(self.network.encode(sources), sources)

    def fuse(self, features: Any, sources: Tensor) -> DynamicFusion:
        """The same from features that ``network.encode(sources)`` gave."""
        components = self.network.components(features, sources)
        losses = reconstruction_loss(components, sources, self.loss)
        weights = relative_dominability(losses, **self.weighting)
        fused = self.network.decode(self.network.combine(features, weights), sources)
        return DynamicFusion(fused, weights, components, losses)
