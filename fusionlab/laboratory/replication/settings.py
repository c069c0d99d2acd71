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
    "fused, ssim, auto, peak": TTD(
        "paper", compare="fused", loss="ssim", temperature="auto", normalization="peak"
    ),
}
"""By the names of the page's rows and of published.yaml's."""
TIMED = ("paper", "fused, ssim, auto", "gradient")
"""Whose time is taken."""
