"""8-bit pictures through every metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fusionlab.data.colour import levels_luma
from fusionlab.metrics import (
    FusionMetrics,
    ImageMean,
    TruthAffinePSNR,
    TruthPSNR,
    TruthSSIM,
    per_channel,
)

DIRECTIONS = {True: "higher", False: "lower", None: "zero"}


class Scorer:
    """Scores pictures: the metrics, and the distance to the ground truth where there is one.

    Args:
        metrics: Metrics of the fused picture and its sources.
        with_truth: Whether some data set has a ground truth.
        by_channel: Whether R, G and B are scored one by one, in place of luma. The distance to a
            ground truth is that of luma in any case.
    """

    def __init__(
        self, metrics: Sequence[ImageMean], with_truth: bool, by_channel: bool = False
    ) -> None:
        self.fusion, self.by_channel = FusionMetrics(metrics), by_channel
        truth = [TruthPSNR(), TruthAffinePSNR(), TruthSSIM()]
        self.truth = FusionMetrics(truth) if with_truth else None

    @property
    def metrics(self) -> dict[str, ImageMean]:
        """The K metrics by the names of their columns."""
        tables = [self.fusion, *([self.truth] if self.truth else [])]
        return {name: one for table in tables for name, one in table.metrics_by_name().items()}

    @property
    def forms(self) -> str:
        """The conventions in a few words, for the head of a table."""
        return self.fusion.forms + (", mean over R, G and B" if self.by_channel else "")

    @property
    def headings(self) -> list[str]:
        """The names of the columns with their conventions."""
        return [f"{one.name}:{one.convention_name}" for one in self.metrics.values()]

    def describe(self) -> dict[str, dict[str, Any]]:
        """What a result says of each metric, by the name of its column."""
        truth = set(self.truth.names) if self.truth else set()
        return {
            name: {
                "direction": DIRECTIONS[one.higher_is_better],
                "convention": f"{one.convention_name}: {one.convention}"
                + ("; mean over R, G and B" if self.by_channel and name not in truth else ""),
                "truth": name in truth,
            }
            for name, one in self.metrics.items()
        }

    def values(self, fused: Tensor, sources: Tensor, truth: Tensor | None) -> list[float]:
        """Score a picture, as :meth:`values_of_all`."""
        return self.values_of_all([fused], sources, truth)[0]

    def values_of_all(
        self, pictures: Sequence[Tensor], sources: Tensor, truth: Tensor | None
    ) -> list[list[float]]:
        """Score N pictures of the same sources; what metrics need of these is computed once.

        Args:
            pictures: (1, H, W), uint8, each; coloured ones (3, H, W) if channels are scored.
            sources: (M, 1, H, W), uint8; (M, 3, H, W) if channels are scored.
            truth: (1, H, W), uint8; None where there is none.

        Returns:
            N times K values; NaN where a metric is not defined.
        """
        if not pictures:
            return []
        if self.by_channel:
            values = self._by_channel(pictures, sources)
            pictures = [levels_luma(picture) for picture in pictures]
        images = [picture[None].float() for picture in pictures]
        if not self.by_channel:
            values = self.fusion.values_of_one(images, sources[None].float()).tolist()
        if self.truth is None:
            return values
        if truth is None:
            return [one + [float("nan")] * len(self.truth.names) for one in values]
        more = self.truth.values_of_one(images, truth[None, None].float()).tolist()
        return [one + other for one, other in zip(values, more, strict=True)]

    def _by_channel(self, pictures: Sequence[Tensor], sources: Tensor) -> list[list[float]]:
        """The K values of each picture; NaN where a metric takes another number of sources."""
        given, count = sources[None].float(), len(sources)
        return [
            [
                per_channel(metric, picture[None].float(), given).item()
                if metric.source_count in (None, count)
                else float("nan")
                for metric in self.fusion.metrics
            ]
            for picture in pictures
        ]


def moved(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch on a device."""
    return {
        key: value.to(device) if isinstance(value, Tensor) else value
        for key, value in batch.items()
    }
