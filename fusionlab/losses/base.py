"""What every training objective is: loss terms of a network on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from fusionlab.networks.base import FusionNetwork

Material = Literal["multi_focus", "photographs", "pairs"]


@dataclass
class ParameterGroup:
    """Parameters with a schedule and a gradient norm of their own.

    Args:
        name: What the log calls it.
        parameters: The parameters.
        first_epoch: Epoch in which they begin to learn; their schedule starts there.
    """

    name: str
    parameters: list[nn.Parameter]
    first_epoch: int = 0


class Objective(nn.Module):
    """The loss of a paper, with its stages.

    Its arguments are the options that ``training.options`` may set; all have defaults.
    """

    material: ClassVar[Material]
    """What it learns from. ``multi_focus``: ``sources`` (B, 2, 3, S, S) made from photographs, and
    ``reference`` (B, 3, S, S). ``photographs``: ``sources`` (B, 1, C, S, S), each a photograph
    resized. ``pairs``: ``sources`` (B, M, 1, S, S), luma of patches, and ``rgb`` (B, M, 3, S, S),
    their colours. All in [0, 1]."""

    smallest_crop: ClassVar[int] = 16
    """Least side of what it learns from, pixels."""

    reconstruction: ClassVar[Callable[[Tensor, Tensor], Tensor] | None] = None
    """Its terms of one source and its component, twice (B, M, C, H, W), to (B, M): what
    gradient-based TTD may follow. None where the loss needs a ground truth or a fused image."""

    unused_parameters: ClassVar[bool] = False
    """Whether some step leaves parameters without a gradient."""

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], epoch: int
    ) -> dict[str, Tensor]:
        """The terms, weighted, so that the loss is their sum; each a scalar.

        Args:
            network: The network in training mode.
            batch: See ``material``.
            epoch: Number of the epoch, from 0.
        """
        raise NotImplementedError

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """What is trained; here the whole network from the first epoch."""
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        return [ParameterGroup("network", trained)]
