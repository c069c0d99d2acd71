"""The sets of metrics that papers and code bases report, each in its own convention."""

from __future__ import annotations

from collections.abc import Sequence

from fusionlab.errors import InputError
from fusionlab.metrics.base import ImageMean
from fusionlab.registry import METRICS

PRESETS: dict[str, str] = {
    "ttd": "en sd ag ei sf scd ssim ce",
    "vifb": "ce en mi psnr ag ei qabf sd sf mse ssim qcb qcv",
    "mefb": "ce en fmi nmi psnr qncie te ag ei qabf qp sd sf qc qw qy mef_ssim qcb qcv viff",
    "linfeng": "en sf sd psnr mse mi vif ag cc scd qabf nabf ssim mef_ssim fmi",
    "cddfuse": "en sd sf ag mi mse cc psnr scd vif qabf ssim",
}
"""Metrics by code base; all in the convention that bears its name."""


def open_metrics(preset: str = "ttd", names: Sequence[str] | None = None) -> list[ImageMean]:
    """Metrics by preset or by name.

    Args:
        preset: A key of ``PRESETS``, or ``all``: every metric in its paper's own definition.
        names: Instead of a preset: ``EN``, or with a convention ``EI:mefb``, case-folded.

    Raises:
        InputError: If there is no such preset, metric or convention, no name at all, or one twice.
    """
    if names is not None:
        if not names:
            raise InputError("metrics.names is empty; name some, or leave it out for a preset")
        metrics = [_named(name) for name in names]
        forms = [(metric.name, metric.convention_name) for metric in metrics]
        for form in forms:
            if forms.count(form) > 1:
                raise InputError(f"metrics.names has {':'.join(form)} twice; take one out")
        return metrics
    if preset == "all":
        return [metric() for metric in METRICS.values()]
    if preset not in PRESETS:
        raise InputError(f"no preset {preset!r}; there are {', '.join([*PRESETS, 'all'])}")
    return [METRICS[name](preset) for name in PRESETS[preset].split()]


def _named(text: str) -> ImageMean:
    name, _, convention = text.partition(":")
    if name.casefold() not in METRICS:
        raise InputError(f"no metric {name!r}; there are {', '.join(METRICS)}")
    return METRICS[name.casefold()](convention or None)
