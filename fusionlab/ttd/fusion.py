"""The test-time wrapper: any fusion network, made dynamic without training."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, check_evaluation_mode
from fusionlab.registry import TTD_LOSSES
from fusionlab.settings.ttd import OBJECTIVE, TTD
from fusionlab.ttd.dominability import feature_gain, relative_dominability, score_gain
from fusionlab.ttd.encoded import Encoded
from fusionlab.ttd.gradient import LossMap
from fusionlab.ttd.losses import reconstruction_loss
from fusionlab.ttd.tiles import TiledEncoded


class DynamicFusion(NamedTuple):
    """What test-time dynamic fusion computes of B samples with M sources."""

    fused: Tensor
    """(B, C, H, W), in the range of the sources, unclamped."""
    rd: Tensor
    """Relative Dominability, (B, M, 1, H, W), summing to 1 over M."""
    components: Tensor | None
    """Uni-source components, (B, M, C, H, W), unclamped; with ``compare: fused`` the static fused
    image in their place, M times; None of images that are fused in tiles."""
    losses: Tensor
    """Reconstruction losses per pixel, (B, M, 1, H, W), before the temperature."""


class TestTimeDynamicFusion(nn.Module):
    """Scale each source's features by the gain of its Relative Dominability.

    Needs no training. The encoder runs once on all sources; its features serve the components and
    the dynamic fusion. Equal losses give the network's static output, bit for bit.

        network = create_network("ifcnn", "bundled")
        dynamic = TestTimeDynamicFusion(network)
        result = dynamic(sources)  # result.fused, .rd, .components, .losses

    Args:
        network: Any fusion network, in evaluation mode.
        preset: ``paper`` (Eq. 6: l1 of the components, γ = 1), ``authors`` (their published script:
            mse, γ = 50) or ``structure``; or settings, to which no option may be added.
        objective: What the network was trained with, of components and sources, twice
            (B, M, C, H, W), to (B, M): for the loss ``objective``.
        **options: Options of :class:`~fusionlab.settings.TTD`, over those of the preset. An
            automatic temperature or channel is chosen on data first, see
            :func:`~fusionlab.ttd.calibrate`.

    Raises:
        InputError: If a choice is unknown, unusable or not calibrated.

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024.
    """

    __test__ = False  # its name looks like a test to pytest

    def __init__(
        self,
        network: FusionNetwork,
        preset: str | TTD = "paper",
        *,
        objective: LossMap | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        given = preset if isinstance(preset, TTD) else TTD(preset=preset, **options)
        if isinstance(preset, TTD) and options:
            raise InputError(f"{', '.join(options)} beside settings of TTD; put it into them")
        if network.no_ttd:
            raise InputError(
                f"{network.name or type(network).__name__}: no TTD, since {network.no_ttd}; "
                "fuse statically"
            )
        self.network = network
        self.settings = given.resolved(network.max_rule)
        self.objective = objective
        self.pixel_loss = "l1" if given.loss == OBJECTIVE else str(given.loss)
        """The loss that is shown, per pixel; the objective has one number for an image."""
        if given.loss == OBJECTIVE and objective is None:
            raise InputError(
                f"{network.name or type(network).__name__} has no objective that sources alone can "
                f"be given to; set ttd.loss to one of {', '.join(TTD_LOSSES)}"
            )

    def forward(self, sources: Tensor, task: str | None = None) -> DynamicFusion:
        """Fuse (B, M, C, H, W) in [0, 1] dynamically; the task is for networks that use it.

        Raises:
            InputError: If the network is in training mode.
        """
        check_evaluation_mode(self.network)
        return self.fuse(Encoded(self.network, sources, task))

    def fuse(self, encoded: Encoded | TiledEncoded) -> DynamicFusion:
        """The same of sources that are encoded already.

        Raises:
            InputError: If temperature or channel are still automatic.
        """
        settings = self.settings
        if settings.needs_calibration:
            raise InputError(
                "ttd.temperature or ttd.channel is auto: choose it on your data with "
                "fusionlab.ttd.calibrate, or give a number"
            )
        criterion = self.criterion(encoded)
        rd = self.rd(criterion)
        fused = encoded.fuse(self.gain(criterion, rd))
        if settings.basis == "loss":
            images, losses = encoded.compared(str(settings.compare)), criterion
        elif isinstance(encoded, TiledEncoded):
            images, losses = None, encoded.losses(str(settings.compare), self.pixel_loss)
        else:
            images = self._gradients(encoded).images
            losses = reconstruction_loss(images, encoded.sources, self.pixel_loss)
        return DynamicFusion(fused, rd, images, losses)

    def criterion(self, encoded: Encoded | TiledEncoded) -> Tensor:
        """What RD is made of, losses or magnitudes of gradients, (B, M, 1, H, W), ≥ 0."""
        settings = self.settings
        if settings.basis == "loss":
            return encoded.losses(str(settings.compare), str(settings.loss))
        return encoded.magnitude(
            str(settings.compare),
            str(settings.loss),
            self.differentiated,
            settings.channel,  # type: ignore[arg-type]  # no list, checked when it was built
            self.is_windowed,
        )

    def rd(self, criterion: Tensor) -> Tensor:
        """RD, (B, M, 1, H, W), of losses or magnitudes."""
        settings = self.settings
        return relative_dominability(
            criterion,
            settings.temperature,  # type: ignore[arg-type]
            str(settings.form),
            str(settings.normalization),
            str(settings.correlation),
        )

    def gain(self, criterion: Tensor, rd: Tensor) -> Tensor:
        """What the features are scaled by, (B, M, 1, H, W)."""
        settings = self.settings
        if settings.normalization == "none":
            return score_gain(
                criterion,
                settings.temperature,  # type: ignore[arg-type]
                str(settings.form),
                str(settings.correlation),
            )
        return feature_gain(rd, str(settings.gain))

    @property
    def is_windowed(self) -> bool:
        """Whether the loss looks at windows."""
        return self.settings.loss != OBJECTIVE and TTD_LOSSES[str(self.settings.loss)].windowed

    @property
    def differentiated(self) -> LossMap:
        """The loss whose gradient is taken."""
        if self.objective is not None and self.settings.loss == OBJECTIVE:
            return self.objective
        return partial(reconstruction_loss, loss=str(self.settings.loss))

    def _gradients(self, encoded: Encoded) -> Any:
        settings = self.settings
        return encoded.gradients(str(settings.compare), str(settings.loss), self.differentiated)
