"""What is compared on the bench, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fusionlab.errors import InputError
from fusionlab.registry import NETWORKS
from fusionlab.settings.checks import at_home, at_least
from fusionlab.settings.groups import Network, Task

CorruptionName = Literal[
    "brightness",
    "contrast",
    "darkness",
    "fog",
    "gaussian_blur",
    "gaussian_noise",
    "jpeg",
    "mask",
    "motion_blur",
]
EVERY = "all"  # of the registered networks
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass
class Method:
    """A network on the bench; with --ttd it is fused with each setting of TTD too.

    Args:
        network: Its name; with --weights also all: every network made for the data's task.
        checkpoint: File or address of its weights. Default: the one that the package carries.
        options: Arguments of the network.
        stretch: As network.stretch.
        name: What it is called in tables. Default: the network's name and, where a network comes
            more than once, the checkpoint's file.
        colour: As data.colour.
        tasks: Tasks on which it is evaluated. Default: all.
        ttd: Whether it is fused with --ttd too.
    """

    network: str
    checkpoint: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    stretch: bool | None = None
    name: str | None = None
    colour: Literal["auto", "luma", "rgb"] | None = None
    tasks: list[Task] | None = None
    ttd: bool = True

    def __post_init__(self) -> None:
        """Check the names."""
        if self.network == EVERY:
            if self.checkpoint or self.options or self.name:
                raise InputError("methods: all takes no checkpoint, options or name; leave it out")
            return
        NETWORKS.check("methods.network", self.network)
        self.checkpoint = at_home(self.checkpoint)
        self.as_network()
        if self.name is not None and not self.name.strip():
            raise InputError("methods.name must not be empty")

    @classmethod
    def parse(cls, text: str) -> Method:
        """The short form: ``ifcnn``, ``ifcnn@IFCNN-MAX.pth``, ``MAX=ifcnn@IFCNN-MAX.pth``."""
        before, equals, after = text.partition("=")
        name, rest = (before, after) if equals and "@" not in before else (None, text)
        network, at, checkpoint = rest.partition("@")
        if not network or (at and not checkpoint):
            raise InputError(
                f"methods: {text!r} is no method; write NETWORK, NETWORK@CHECKPOINT or "
                "NAME=NETWORK@CHECKPOINT"
            )
        return cls(network, checkpoint or None, name=name)

    def as_network(self) -> Network:
        """The same as the ``network`` group."""
        return Network(self.network, self.checkpoint, self.options, self.stretch)


@dataclass
class Corruption:
    """Damage to one source of every sample.

    Args:
        name: The damage.
        source: Name of the source. Default: the first one of each sample.
        severities: Levels, from 1 to 5.
    """

    name: CorruptionName
    source: str | None = None
    severities: list[int] = field(default_factory=lambda: list(SEVERITIES))

    def __post_init__(self) -> None:
        """Check what types cannot."""
        wrong = [level for level in self.severities if level not in SEVERITIES]
        if wrong or not self.severities:
            raise InputError(f"corruption.severities must be from 1 to 5, got {self.severities}")


@dataclass
class Conditions:
    """Under which conditions the methods are compared.

    Args:
        parameter_noise: Levels of Gaussian noise on the network's parameters, in standard
            deviations of each parameter tensor.
        noise_draws: Draws of that noise; an image's value is the mean over them.
        corruption: Damage to one source, a list of {name, source, severities}; metrics see the
            undamaged sources.
        subsets: Patterns of sample names by the name of the subset, e.g. {day: "*D"}.
        repeats: Times that each image is fused by every method in turn; the median counts as its
            time.
        limit: Use only the first samples of each data set, at most this many. Default: all.
    """

    parameter_noise: list[float] = field(default_factory=list)
    noise_draws: int = 3
    corruption: list[Corruption] = field(default_factory=list)
    subsets: dict[str, str] = field(default_factory=dict)
    repeats: int = 1
    limit: int | None = None

    def __post_init__(self) -> None:
        """Check what types cannot."""
        names = ("parameter_noise", "corruption", "subsets")
        given = [name for name in names if getattr(self, name)]
        if len(given) > 1:
            raise InputError(
                f"conditions.{given[0]} and conditions.{given[1]} are two experiments; unset one"
            )
        for name, least in (("noise_draws", 1), ("repeats", 1), ("limit", 1)):
            value = getattr(self, name)
            if value is not None:
                at_least(f"conditions.{name}", value, least)
        for level in self.parameter_noise:
            at_least("conditions.parameter_noise", level, 0)
