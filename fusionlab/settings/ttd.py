"""The group of test-time dynamic fusion, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from fusionlab.errors import InputError
from fusionlab.settings.checks import at_least

TTD_PRESETS: dict[str, dict[str, Any]] = {
    "fusionlab": {  # chosen by PSNR to the truth on scenes that have one
        "basis": "loss",
        "compare": "fused",
        "loss": "structure",
        "temperature": "auto",
        "channel": "mean",
        "form": "exp",
        "normalization": "auto",
        "correlation": "negative",
    },
    "paper": {  # Eq. 6
        "basis": "loss",
        "compare": "components",
        "loss": "l1",
        "temperature": 1.0,
        "channel": "mean",
        "form": "exp",
        "normalization": "softmax",
        "correlation": "negative",
    },
    "authors": {  # their published CDDFuse script
        "basis": "loss",
        "compare": "components",
        "loss": "mse",
        "temperature": 50.0,
        "channel": "mean",
        "form": "exp",
        "normalization": "softmax",
        "correlation": "negative",
    },
}
TTD_CHOICES = {
    "basis": ("loss", "gradient"),
    "compare": ("components", "fused"),
    "loss": ("l1", "mse", "ssim", "structure", "objective"),
    "form": ("exp", "linear", "sigmoid"),
    "normalization": ("auto", "softmax", "proportional", "none", "peak"),
    "correlation": ("negative", "positive"),
}


@dataclass
class TTD:
    """Test-time dynamic fusion (Cao et al., NeurIPS 2024).

    Args:
        preset: Where unset values come from: fusionlab (structure of the static fused image,
            temperature auto), paper (Eq. 6: l1 of the components, temperature 1) or authors (their
            published script: mse, temperature 50).
        basis: What tells a good source: its loss, or the gradient of its loss with respect to its
            features (Eq. 7).
        compare: What the loss compares with each source: components (the network run on that source
            alone, the paper's text) or fused (the static fused image).
        loss: Distance per pixel: l1, mse, ssim (half of 1 - SSIM), structure (the same, blind to
            brightness) or, for gradients of components, objective (what the network was trained
            with: cddfuse, densefuse).
        temperature: Factor of the loss or gradient in the exponent, at least 0; auto: one over
            their typical size in each image.
        channel: Of the gradient: mean (over all feature channels), the number of one, from 0 (the
            paper has 58 for ifcnn), or auto (found on the first images of each data set).
        form: Score of a source: exp (e to the minus loss, Eq. 6), linear (minus loss), sigmoid (of
            minus loss).
        normalization: From scores to weights over the sources: softmax, proportional (a score's
            share of their sum), none (the scores themselves, over the number of sources), peak
            (softmax; then the best source keeps its features, the others lose) or auto (peak if the
            network's rule takes the largest features, else softmax).
        correlation: Of weight and loss: negative (the paper's), positive (its counter-experiment).
    """

    preset: Literal["fusionlab", "paper", "authors"] = "fusionlab"
    basis: Literal["loss", "gradient"] | None = None
    compare: Literal["components", "fused"] | None = None
    loss: Literal["l1", "mse", "ssim", "structure", "objective"] | None = None
    temperature: float | str | None = None
    channel: int | str | None = None
    form: Literal["exp", "linear", "sigmoid"] | None = None
    normalization: Literal["auto", "softmax", "proportional", "none", "peak"] | None = None
    correlation: Literal["negative", "positive"] | None = None

    def __post_init__(self) -> None:
        """Fill what is unset from the preset; check what Python callers may pass."""
        if self.preset not in TTD_PRESETS:
            raise InputError(
                f"ttd.preset must be one of {', '.join(TTD_PRESETS)}, got {self.preset!r}"
            )
        for name, value in TTD_PRESETS[self.preset].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        for name, choices in TTD_CHOICES.items():
            if getattr(self, name) not in choices:
                got = getattr(self, name)
                raise InputError(f"ttd.{name} must be one of {', '.join(choices)}, got {got!r}")
        self._check_numbers()
        if self.loss == "objective" and (self.basis, self.compare) != ("gradient", "components"):
            raise InputError(
                "ttd.loss objective is one number of an image: set ttd.basis to gradient and "
                "ttd.compare to components"
            )
        if self.form == "linear" and self.normalization in ("proportional", "none"):
            raise InputError(
                "ttd.form linear gives scores below 0: set ttd.normalization to softmax"
            )

    def _check_numbers(self) -> None:
        if isinstance(self.temperature, str):
            if self.temperature != "auto":
                raise InputError(
                    f"ttd.temperature must be a number or auto, got {self.temperature}"
                )
        else:
            at_least("ttd.temperature", self.temperature, 0)
        if self.channel in ("mean", "auto"):
            if self.channel == "auto" and self.basis == "loss":
                raise InputError("ttd.channel is of gradients: set ttd.basis to gradient")
        elif type(self.channel) is not int or self.channel < 0:
            raise InputError(
                f"ttd.channel must be mean, auto or a number from 0, got {self.channel!r}"
            )
        elif self.basis == "loss":
            raise InputError("ttd.channel is of gradients: set ttd.basis to gradient")

    def resolved(self, takes_largest: bool) -> TTD:
        """The same for a network, whose rule says what normalization ``auto`` stands for.

        Args:
            takes_largest: Whether its static rule takes the largest features.
        """
        if self.normalization != "auto":
            return self
        return replace(self, normalization="peak" if takes_largest else "softmax")

    def choices(self) -> dict[str, Any]:
        """Every setting but the preset, by name, none of them None."""
        return {name: getattr(self, name) for name in TTD_PRESETS[self.preset]}
