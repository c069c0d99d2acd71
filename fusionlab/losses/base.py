"""What every training objective is: loss terms of a network on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.utils.data import Dataset
from torchmetrics import Metric

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import Training

Kind = Literal["multi_focus", "photographs", "pairs"]
Reconstruction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Step:
    """Where in a training a loss is computed.

    Args:
        epoch: Number of the epoch, from 0.
        index: Number of the step, from 0; it counts over all epochs.
        total: Steps of the whole training; None if it has no end.
        optimizer: Name of the optimiser that makes the step; see :class:`ParameterGroup`.
    """

    epoch: int = 0
    index: int = 0
    total: int | None = None
    optimizer: str = "main"


@dataclass
class ParameterGroup:
    """Parameters with a schedule and a gradient norm of their own.

    Args:
        name: What the log calls it.
        parameters: The parameters; frozen ones are left out.
        first_epoch: Epoch in which they begin to learn; the schedule ``halving`` starts there.
        optimizer: Name of their optimiser. In every step the optimisers take turns, each with a
            loss of its own, in the order in which the groups name them.
        decays: Whether the weight decay of the settings is theirs too.
    """

    name: str
    parameters: list[nn.Parameter]
    first_epoch: int = 0
    optimizer: str = "main"
    decays: bool = True


class Objective(nn.Module):
    """The loss of a paper, with its stages.

    Its arguments are the options that ``training.options`` may set; all have defaults. Other
    networks that it needs (teachers, discriminators) are modules of its own; they are trained if
    :meth:`parameter_groups` names them.
    """

    learns_from: ClassVar[Kind | None] = None
    """``multi_focus``: ``sources`` (B, 2, 3, S, S) made from photographs, and ``reference``
    (B, 3, S, S). ``photographs``: ``sources`` (B, 1, C, S, S), each a photograph resized.
    ``pairs``: ``sources`` (B, M, 1, S, S), luma of patches, and ``rgb`` (B, M, 3, S, S), their
    colours. All in [0, 1]. None for :meth:`open_data`."""

    trains: ClassVar[type[FusionNetwork]] = FusionNetwork
    """The networks that it can train."""

    smallest_crop: ClassVar[int] = 16
    """Least side of what it learns from, pixels."""

    whole_crops: ClassVar[bool] = False
    """Whether their sides must be multiples of the network's ``size_multiple``: it pads nothing."""

    reconstruction: ClassVar[Reconstruction | None] = None
    """Its terms of one source and its component, twice (B, M, C, H, W), to (B, M): what
    gradient-based TTD may follow. None where the loss needs a ground truth or a fused image."""

    unused_parameters: ClassVar[bool] = False
    """Whether some step leaves parameters without a gradient."""

    validates: ClassVar[tuple[str, ...]] = ()
    """Names of the values of :meth:`validate`; by the first, higher is better, the best epoch is
    kept. Empty where fused images are scored, as usual."""

    labelled: ClassVar[bool] = False
    """Whether samples to validate on come with their ``labels`` and ``classes``."""

    built_in: ClassVar[str] = ""
    """Task of the built-in scenes to validate on; empty for one of the network's."""

    next_command: str = ""
    """What to run after it; ``{path}`` stands for the file that :meth:`save` wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""  # set by create_objective

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """The terms, weighted, so that the loss is their sum; each a scalar.

        Args:
            network: The network in training mode.
            batch: See ``learns_from``; besides ``index`` (B,), int64, the numbers of the items.
            step: Epoch, step and optimiser.
        """
        raise NotImplementedError

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """What is trained; here the whole network from the first epoch."""
        return [ParameterGroup("network", list(network.parameters()))]

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None] | None:
        """Data of its own, in place of those that ``learns_from`` names.

        Args:
            settings: The ``training`` group of the config.
            seed: Of random choices.

        Returns:
            None, or data to learn from and to validate on (None for those of the group ``data``).
            Items are dictionaries of tensors with ``index``. Data for :meth:`validate` have
            ``describe()``, as a :class:`~fusionlab.data.dataset.FusionDataset` has.

        Raises:
            InputError: If there is nothing to learn from, or a setting does not fit.
        """
        return None

    def validate(self, network: FusionNetwork, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The values that ``validates`` names, one for each item of a batch, (B,)."""
        raise NotImplementedError

    @property
    def reads_network(self) -> bool:
        """Whether the settings of a network that does not learn matter."""
        return False

    def metric(self) -> Metric | None:
        """A metric over all data to validate on, in place of means of :meth:`validate`."""
        return None

    def observe(self, network: FusionNetwork, batch: dict[str, Any], metric: Metric) -> None:
        """Update :meth:`metric` with a batch."""
        raise NotImplementedError

    def values(self, metric: Metric) -> dict[str, float]:
        """The values that ``validates`` names, of :meth:`metric`."""
        raise NotImplementedError

    def save(self, folder: Path) -> Path | None:
        """Write what it has trained besides the network, for other programs; returns the file."""
        return None

    def prepare(self, network: FusionNetwork) -> None:
        """Make what depends on the network, and give it what it starts from; here nothing.

        It is called before the network learns, after :meth:`check_network`; a second call does
        nothing.
        """

    def check_network(self, network: FusionNetwork) -> None:
        """Refuse a network that it cannot train.

        Raises:
            InputError: Naming the setting.
        """
        if not isinstance(network, self.trains):
            own, name = self.name or type(self).__name__, network.name or type(network).__name__
            raise InputError(
                f"training.objective {own} trains {self.trains.__name__}, network.name is {name}; "
                "change one of the two"
            )
