"""The group of test-time dynamic fusion, and its presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any, Literal

from fusionlab.errors import InputError
from fusionlab.registry import TTD_LOSSES
from fusionlab.settings.checks import at_least

_EQUATION_6: dict[str, Any] = {
    "basis": "loss",
    "compare": "components",
    "loss": "l1",
    "temperature": 1.0,
    "channel": "mean",
    "form": "exp",
    "normalization": "softmax",
    "correlation": "negative",
    "gain": "share",
}
TTD_PRESETS: dict[str, dict[str, Any]] = {
    "paper": _EQUATION_6,
    "authors": {**_EQUATION_6, "loss": "mse", "temperature": 50.0},  # their published script
    "structure": {
        **_EQUATION_6,
        "compare": "fused",
        "loss": "structure",
        "temperature": "auto",
        "gain": "auto",
    },
}
LARGEST_TEMPERATURE = 1e6
LARGEST_UNNORMALISED = 10.0  # scores are e to the γ times loss: e^10 is 22,000
_CHOICES = {
    "basis": ("loss", "gradient"),
    "compare": ("components", "fused"),
    "form": ("exp", "linear", "sigmoid"),
    "normalization": ("softmax", "proportional", "none"),
    "correlation": ("negative", "positive"),
    "gain": ("share", "largest", "auto"),
}
OBJECTIVE = "objective"  # the loss that the network was trained with


@dataclass
class TTD:
    """Test-time dynamic fusion (Cao et al., NeurIPS 2024).

    Where an option is a list, every combination of the values is evaluated.

    Args:
        preset: Where unset options come from: paper (Eq. 6: l1 of the components, temperature 1),
            authors (their published script: mse, temperature 50) or structure (structure of the
            static fused image, temperature auto; helps on multi-focus).
        basis: What tells a good source: its loss, or the gradient of its loss with respect to its
            features (Eq. 7).
        compare: What the loss compares with each source: components (the network run on that source
            alone, the paper's text) or fused (the static fused image).
        loss: Distance per pixel: l1, mse, ssim (half of 1 - SSIM), structure (the same, blind to
            brightness) or, for gradients of components, objective (what the network was trained
            with: cddfuse, densefuse).
        temperature: Factor of the loss or gradient in the exponent, at least 0; auto: one over
            their typical size on the first images of each data set.
        channel: Of the gradient: mean (over all feature channels), the number of one, from 0 (the
            paper has 58 for ifcnn), or auto (chosen on the first images of each data set).
        form: Score of a source: exp (e to the minus loss, Eq. 6), linear (minus loss), sigmoid (of
            minus loss).
        normalization: From scores to RD: softmax, proportional (a score's share of their sum), or
            none (the same RD, but features are scaled by the scores themselves).
        correlation: Of RD and loss: negative (the paper's), positive (its counter-experiment).
        gain: What features are scaled by: share (M times RD, Eq. 1), largest (RD over the largest
            RD of the pixel, so that no feature grows) or auto (largest if the network's rule takes
            the maximum, else share).
    """

    preset: str | list[str] = "paper"
    basis: Literal["loss", "gradient"] | list[str] | None = None
    compare: Literal["components", "fused"] | list[str] | None = None
    loss: str | list[str] | None = None
    temperature: float | str | list[float | str] | None = None
    channel: int | str | list[int | str] | None = None
    form: Literal["exp", "linear", "sigmoid"] | list[str] | None = None
    normalization: Literal["softmax", "proportional", "none"] | list[str] | None = None
    correlation: Literal["negative", "positive"] | list[str] | None = None
    gain: Literal["share", "largest", "auto"] | list[str] | None = None

    def __post_init__(self) -> None:
        """Fill what is unset from the preset; check every combination."""
        lists = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        for name, values in lists.items():
            if not values:
                raise InputError(f"ttd.{name} is an empty list; give values or leave it out")
        if lists:
            self.combinations()
            return
        if self.preset not in TTD_PRESETS:
            known = ", ".join(TTD_PRESETS)
            raise InputError(f"ttd.preset must be one of {known}, got {self.preset!r}")
        for name, value in TTD_PRESETS[str(self.preset)].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        self._check()

    def combinations(self) -> list[TTD]:
        """One setting without lists for each combination of the values of the lists."""
        names = [one.name for one in fields(self)]
        values = [value if isinstance(value, list) else [value] for value in vars(self).values()]
        return [TTD(**dict(zip(names, chosen, strict=True))) for chosen in product(*values)]

    def single(self) -> TTD:
        """The one setting that this is, where several make no sense.

        Raises:
            InputError: If lists make it several.
        """
        first, *others = self.combinations()
        if others:
            lists = [name for name, value in vars(self).items() if isinstance(value, list)]
            raise InputError(f"ttd.{lists[0]} is a list; give one setting")
        return first

    def resolved(self, max_rule: bool) -> TTD:
        """The same for a network, whose rule says what gain ``auto`` stands for.

        Args:
            max_rule: Whether its static rule takes the maximum of the features.
        """
        if self.gain != "auto":
            return self
        return replace(self, gain="largest" if max_rule else "share")

    @property
    def needs_calibration(self) -> bool:
        """Whether temperature or channel is to be chosen on a data set."""
        return "auto" in (self.temperature, self.channel)

    def options(self) -> dict[str, Any]:
        """Every option but the preset, by name, none of them None."""
        return {name: value for name, value in asdict(self).items() if name != "preset"}

    def _check(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                got = getattr(self, name)
                raise InputError(f"ttd.{name} must be one of {', '.join(choices)}, got {got!r}")
        if self.loss not in (OBJECTIVE, *TTD_LOSSES):
            known = ", ".join([*TTD_LOSSES, OBJECTIVE])
            raise InputError(f"ttd.loss must be one of {known}, got {self.loss!r}")
        self._check_numbers()
        if self.loss == OBJECTIVE and (self.basis, self.compare) != ("gradient", "components"):
            raise InputError(
                "ttd.loss objective is one number of an image: set ttd.basis to gradient and "
                "ttd.compare to components"
            )
        if self.form == "linear" and self.normalization in ("proportional", "none"):
            raise InputError(
                "ttd.form linear gives scores below 0: set ttd.normalization to softmax"
            )
        if self.normalization == "none" and self.gain == "largest":
            raise InputError(
                "ttd.normalization none scales features by their scores: set ttd.gain to share"
            )

    def _check_numbers(self) -> None:
        if isinstance(self.temperature, str):
            if self.temperature != "auto":
                got = self.temperature
                raise InputError(f"ttd.temperature must be a number or auto, got {got}")
        else:
            assert not isinstance(self.temperature, list)
            at_least("ttd.temperature", self.temperature, 0)
            self._check_largest(float(self.temperature or 0))
        is_number = type(self.channel) is int and self.channel >= 0
        if self.channel not in ("mean", "auto") and not is_number:
            wrong = repr(self.channel)
            raise InputError(f"ttd.channel must be mean, auto or a number from 0, got {wrong}")
        if self.channel != "mean" and self.basis == "loss":
            raise InputError("ttd.channel is of gradients: set ttd.basis to gradient")

    def _check_largest(self, temperature: float) -> None:
        """Scores above 1 that nothing normalises must stay where features are still features."""
        grows = (self.normalization, self.correlation, self.form) == ("none", "positive", "exp")
        largest = LARGEST_UNNORMALISED if grows else LARGEST_TEMPERATURE
        if temperature > largest:
            because = " with normalization none, correlation positive and form exp" if grows else ""
            raise InputError(
                f"ttd.temperature must be at most {largest:g}{because}, got {temperature:g}"
            )


def varied(settings: list[TTD]) -> list[str]:
    """The options that tell settings apart; the preset in place of those that it alone sets."""
    options = list(settings[0].options())
    differing = [one for one in options if _differs(one, settings)]
    own = [one for one in options if not all(_is_of_preset(one, ttd) for ttd in settings)]
    return differing if set(differing) <= set(own) else ["preset", *own]


def label(setting: TTD, names: list[str]) -> str:
    """The values of these options in a few words; empty if there are none."""
    shown = [one for one in names if one != "channel" or setting.basis == "gradient"]
    return ", ".join(_text(one, getattr(setting, one)) for one in shown)


def _differs(name: str, settings: list[TTD]) -> bool:
    return any(getattr(one, name) != getattr(settings[0], name) for one in settings)


def _is_of_preset(name: str, setting: TTD) -> bool:
    return getattr(setting, name) == TTD_PRESETS[str(setting.preset)][name]


def _text(name: str, value: Any) -> str:
    if name == "temperature":
        return f"γ {value:g}" if isinstance(value, (int, float)) else f"γ {value}"
    return f"channel {value}" if name == "channel" else str(value)
