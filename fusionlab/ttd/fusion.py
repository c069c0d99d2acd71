"""The test-time wrapper: any fusion network, made dynamic without training."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import TTD
from fusionlab.ttd.channel import choose_channel
from fusionlab.ttd.dominability import reconstruction_loss, relative_dominability
from fusionlab.ttd.gradient import LossMap, feature_gradients, gradient_magnitude
from fusionlab.ttd.temperature import image_temperatures


class DynamicFusion(NamedTuple):
    """What test-time dynamic fusion computes of B samples with M sources."""

    fused: Tensor
    """(B, C, H, W), in the range of the sources, unclamped."""
    weights: Tensor
    """Relative Dominability, (B, M, 1, H, W)."""
    components: Tensor
    """Uni-source components, (B, M, C, H, W), unclamped; with ``compare: fused`` the static fused
    image in their place, M times."""
    losses: Tensor
    """Reconstruction losses per pixel, (B, M, 1, H, W), before the temperature."""


class TestTimeDynamicFusion(nn.Module):
    """Scale each source's features by its Relative Dominability before the static rule.

    Needs no training. The encoder runs once on all sources; its features serve the components and
    the dynamic fusion. Equal losses give the network's static output, bit for bit.

        network = create_network("ifcnn", "bundled")
        dynamic = TestTimeDynamicFusion(network)
        result = dynamic(sources)  # result.fused, .weights, .components, .losses

    Args:
        network: Any fusion network.
        preset: ``fusionlab`` (structure of the static fused image, γ automatic), ``paper`` (Eq. 6:
            l1 of the components, γ = 1) or ``authors`` (their published script: mse, γ = 50).
        basis: ``loss`` or ``gradient`` (Eq. 7); this and the following default to the preset's.
        compare: ``components`` or ``fused``: what the loss compares with each source.
        loss: ``l1``, ``mse``, ``ssim``, ``structure``, see :func:`reconstruction_loss`; or
            ``objective`` with the argument of that name.
        temperature: γ ≥ 0, or ``auto``, see :func:`image_temperatures`.
        channel: Of the gradient: ``mean``, a number, or ``auto``: the first sources fused choose
            it, see :func:`choose_channel`, and all later ones keep it.
        form: ``exp``, ``linear`` or ``sigmoid``; see :func:`relative_dominability`.
        normalization: ``softmax``, ``proportional``, ``none``, ``peak``, or ``auto``: peak where
            the network takes the largest features, else softmax.
        correlation: ``negative`` or ``positive``.
        objective: What the network was trained with, of components and sources, twice
            (B, M, C, H, W), to (B, M).

    Raises:
        InputError: If a choice is unknown or unusable, or the temperature negative.

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024.
    """

    __test__ = False  # its name looks like a test to pytest

    def __init__(
        self,
        network: FusionNetwork,
        preset: str = "fusionlab",
        *,
        basis: str | None = None,
        compare: str | None = None,
        loss: str | None = None,
        temperature: float | str | None = None,
        channel: int | str | None = None,
        form: str | None = None,
        normalization: str | None = None,
        correlation: str | None = None,
        objective: LossMap | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        given: dict[str, Any] = {
            "preset": preset,
            "basis": basis,
            "compare": compare,
            "loss": loss,
            "temperature": temperature,
            "channel": channel,
            "form": form,
            "normalization": normalization,
            "correlation": correlation,
        }
        self.weighting = TTD(**given).resolved(network.takes_largest).choices()
        self.basis: str = self.weighting.pop("basis")
        self.compare: str = self.weighting.pop("compare")
        self.loss: str = self.weighting.pop("loss")
        self.channel: int | str = self.weighting.pop("channel")
        self.map_loss = "l1" if self.loss == "objective" else self.loss
        """What is shown, per pixel; the objective has one number for an image."""
        self.differentiated = self._differentiated(objective)

    @property
    def needs_static(self) -> bool:
        """Whether :meth:`fuse` can use a static fused image."""
        return self.basis == "loss" and self.compare == "fused"

    def forward(self, sources: Tensor) -> DynamicFusion:
        """Fuse (B, M, C, H, W) in [0, 1] dynamically."""
        self.network.check_sources(sources)
        return self.fuse(self.network.encode(sources), sources)

    def fuse(self, features: Any, sources: Tensor, static: Tensor | None = None) -> DynamicFusion:
        """The same from features that ``network.encode(sources)`` gave.

        Args:
            features: The features.
            sources: (B, M, C, H, W) in [0, 1].
            static: The static fused image, (B, C, H, W), if the caller has it: loss-based RD that
                compares it does not decode it again.
        """
        evidence, images = self.evidence(features, sources, static)
        if self.basis == "loss":
            losses = evidence
        else:
            losses = reconstruction_loss(images, sources, self.map_loss)
        weights = self.weigh(evidence)
        fused = self.network.decode(self.network.combine(features, weights), sources)
        return DynamicFusion(fused, weights, images, losses)

    def evidence(
        self, features: Any, sources: Tensor, static: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What RD is made of, and the images compared.

        Returns:
            Losses or magnitudes of gradients, (B, M, 1, H, W); and (B, M, C, H, W).
        """
        network = self.network
        if self.basis == "gradient":
            if self.channel == "auto":
                self.channel = choose_channel(self, [(features, sources)]).channel
            found = feature_gradients(network, features, sources, self.differentiated, self.compare)
            height, width = sources.shape[3:]
            magnitude = gradient_magnitude(found.branches, (height, width), self.channel, self.loss)
            return magnitude, found.images
        if self.compare == "components":
            images = network.components(features, sources)
        else:
            if static is None:
                static = network.decode(network.combine(features), sources)
            images = static.unsqueeze(1).expand_as(sources)
        return reconstruction_loss(images, sources, self.loss), images

    def weigh(self, evidence: Tensor) -> Tensor:
        """RD, (B, M, 1, H, W), of losses or magnitudes, (B, M, 1, H, W)."""
        choices = dict(self.weighting)
        if choices["temperature"] == "auto":
            choices["temperature"] = image_temperatures(evidence)
        return relative_dominability(evidence, **choices)

    def _differentiated(self, objective: LossMap | None) -> LossMap:
        if self.loss != "objective":
            return partial(reconstruction_loss, loss=self.loss)
        if objective is None:
            raise InputError(
                f"{self.network.name or type(self.network).__name__} has no objective that sources "
                "alone can be given to; set ttd.loss to l1, mse, ssim or structure"
            )
        return objective
