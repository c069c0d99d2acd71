"""What an experiment's config may contain. No torch here: mistakes answer at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from itertools import product
from typing import Any, Literal

from fusionlab.errors import InputError
from fusionlab.settings import TTD, TTD_PRESETS

CorruptionName = Literal[
    "brightness",
    "contrast",
    "darkness",
    "gaussian_blur",
    "gaussian_noise",
    "jpeg",
    "mask",
    "motion_blur",
]
SEVERITIES = (1, 2, 3, 4, 5)


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
class Experiment:
    """What is varied.

    Args:
        title: Head of the tables and figures.
        settings: TTD settings to compare with the static network, each a mapping of ttd's options.
        grid: Lists of values of ttd's options; every combination is a setting.
        parameter_noise: Levels of Gaussian noise on the network's parameters, in standard
            deviations of each parameter tensor.
        noise_seeds: Draws of that noise; an image's value is the mean over them.
        corruption: Damage to one source.
        subsets: Patterns of sample names by the name of the subset, e.g. {day: "*D"}.
        repeats: Measure the time of each image this many times, in place of the metrics; 0 does
            not.
        limit: Only the first this many images of each data set. Default: all.
    """

    title: str = ""
    settings: list[TTD] = field(default_factory=list)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    parameter_noise: list[float] = field(default_factory=list)
    noise_seeds: int = 3
    corruption: list[Corruption] = field(default_factory=list)
    subsets: dict[str, str] = field(default_factory=dict)
    repeats: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Check what types cannot."""
        if bool(self.settings) == bool(self.grid):
            raise InputError("an experiment has either settings or grid, and at least one setting")
        varied = [name for name in ("parameter_noise", "corruption", "subsets") if self._has(name)]
        if len(varied) > 1:
            raise InputError(f"{varied[0]} and {varied[1]} are two experiments; leave one out")
        if varied and self.repeats:
            raise InputError(f"repeats measures time, not the effect of {varied[0]}; unset one")
        for name, least in (("noise_seeds", 1), ("repeats", 0), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        if any(not level >= 0 for level in self.parameter_noise):
            raise InputError(f"parameter_noise must be at least 0, got {self.parameter_noise}")

    def _has(self, name: str) -> bool:
        return bool(getattr(self, name))

    def labelled(self) -> dict[str, TTD]:
        """The settings by what tells them apart.

        Raises:
            InputError: If the grid has an unknown option or value, or two settings are the same.
        """
        settings = self.settings or _combinations(self.grid)
        names = varied(settings)
        found: dict[str, TTD] = {}
        for setting in settings:
            text = label(setting, names)
            if text in found:
                raise InputError(f"two settings are the same ({text}); take one out")
            found[text] = setting
        return found


def varied(settings: list[TTD]) -> list[str]:
    """The options that tell settings apart; the preset in place of those that it alone sets."""
    options = list(choices(settings[0]))
    differing = [one for one in options if _differs(one, settings)]
    own = [one for one in options if not all(_is_of_preset(one, ttd) for ttd in settings)]
    return differing if set(differing) <= set(own) else ["preset", *own]


def label(setting: TTD, names: list[str]) -> str:
    """The values of these options in a few words."""
    shown = [one for one in names if one != "channel" or setting.basis == "gradient"]
    return ", ".join(_text(one, getattr(setting, one)) for one in shown) or "TTD"


def choices(setting: TTD) -> dict[str, Any]:
    """The options of a setting without the preset, whose values it has taken."""
    return {name: value for name, value in asdict(setting).items() if name != "preset"}


def _combinations(grid: dict[str, list[Any]]) -> list[TTD]:
    known = [one.name for one in fields(TTD)]
    for name, values in grid.items():
        if name not in known:
            raise InputError(f"grid has no option {name!r}; there are {', '.join(known)}")
        if not isinstance(values, list) or not values:
            raise InputError(f"grid.{name} must be a list of values, got {values!r}")
    return [TTD(**dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def _differs(name: str, settings: list[TTD]) -> bool:
    return any(getattr(one, name) != getattr(settings[0], name) for one in settings)


def _is_of_preset(name: str, setting: TTD) -> bool:
    return getattr(setting, name) == TTD_PRESETS[setting.preset][name]


def _text(name: str, value: Any) -> str:
    if name == "temperature":
        return f"γ {value:g}" if isinstance(value, (int, float)) else f"γ {value}"
    return f"channel {value}" if name == "channel" else str(value)
