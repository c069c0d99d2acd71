"""The settings of TTD that the replication page compares; presets are named, not the default."""

from __future__ import annotations

from fusionlab.settings import TTD

SETTINGS = {
    "paper": TTD("paper"),
    "paper, positive": TTD("paper", correlation="positive"),
    "authors": TTD("authors"),
    "authors, positive": TTD("authors", correlation="positive"),
    "linear": TTD("paper", form="linear"),
    "sigmoid": TTD("paper", form="sigmoid"),
    "no normalisation": TTD("paper", normalization="none"),
    "proportional": TTD("paper", normalization="proportional"),
    "gradient": TTD("paper", basis="gradient"),
    "gradient, channel 58": TTD("paper", basis="gradient", channel=58),
    "fused, l1": TTD("paper", compare="fused"),
    "fused, mse": TTD("authors", compare="fused"),
    "fused, ssim, auto": TTD("paper", compare="fused", loss="ssim", temperature="auto"),
    "fused, structure, auto": TTD("paper", compare="fused", loss="structure", temperature="auto"),
    "fused, structure, auto, peak": TTD(
        "paper", compare="fused", loss="structure", temperature="auto", normalization="peak"
    ),
}
"""By the names of the page's rows and of published.yaml's."""
TIMED = ("paper", "fused, structure, auto", "gradient")
"""Whose time is taken."""
GRADIENT_OF_SSIM = "gradient, ssim, auto"
PROBED = {
    "paper": SETTINGS["paper"],
    "authors": SETTINGS["authors"],
    GRADIENT_OF_SSIM: TTD("paper", basis="gradient", loss="ssim", temperature="auto"),
}
"""Whose RD is probed, besides the default."""


def default_label(takes_largest: bool) -> str:
    """Which of ``SETTINGS`` the package's default is.

    Args:
        takes_largest: Whether the network's rule takes the largest features.
    """
    default = TTD().resolved(takes_largest).choices()
    return next(label for label, one in SETTINGS.items() if one.choices() == default)
