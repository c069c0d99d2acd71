"""Scores of one data set: the fused images, and each source alone to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.metrics import FusionMetrics, ImageMean, PerImageValues, TruthPSNR, TruthSSIM


@dataclass
class Scores:
    """Values of every metric for every image and row, gathered from all processes.

    Args:
        fused_rows: Rows that are fused images: ``static``, perhaps ``ttd``.
        source_rows: Rows that are a source alone.
        values: By row, (N, K) float64; NaN where a metric is not defined.
        metrics: The K short names.
        truth_metrics: Those among them that compare with the ground truth.
        higher_is_better: Direction by metric.
        milliseconds: By fused row, (N,) per image.
        indices: By row, position in the data set of each of the N images, (N,).
    """

    fused_rows: list[str]
    source_rows: list[str]
    values: dict[str, np.ndarray]
    metrics: list[str]
    truth_metrics: list[str]
    higher_is_better: dict[str, bool | None]
    milliseconds: dict[str, np.ndarray]
    indices: dict[str, np.ndarray]

    def means(self, row: str) -> dict[str, float]:
        """Mean over the images for which a metric is defined, by metric; NaN if for none."""
        defined = [column[~np.isnan(column)] for column in self.values[row].T]
        means = [float(column.mean()) if column.size else float("nan") for column in defined]
        return dict(zip(self.metrics, means, strict=True))


ALONE = " alone"  # ending of the rows of single sources


def source_row(name: str) -> str:
    """The row that scores a source alone."""
    return name + ALONE


class Scoreboard:
    """Keeps the values of every image, row by row.

    Args:
        dataset: The data set that is evaluated.
        rows: Rows of fused images, such as ``static`` and ``ttd``.
        metrics: Metrics of the fused images and their sources.
    """

    def __init__(
        self, dataset: FusionDataset, rows: list[str], metrics: Sequence[ImageMean]
    ) -> None:
        names = dict.fromkeys(name for names in dataset.source_names for name in names)
        self.fused_rows = rows
        self.source_rows = [source_row(name) for name in names]
        self.rows = [*self.fused_rows, *self.source_rows]
        self.fusion = [FusionMetrics(metrics) for _ in self.rows]
        truths = self.rows if dataset.has_reference else []
        self.truth = [FusionMetrics([TruthPSNR(), TruthSSIM()]) for _ in truths]
        self.time = [PerImageValues(("ms",)) for _ in rows]

    def update(
        self, row: str, fused: Tensor, batch: dict[str, Any], milliseconds: float | None = None
    ) -> None:
        """Score a batch: ``fused`` (B, 1, H, W) uint8, with its samples and the time it took."""
        position, index = self.rows.index(row), batch["index"]
        fused, sources = fused.float(), batch["grey"].float()
        self.fusion[position].update(fused, sources, index)
        if self.truth:
            truth = batch["reference"].float().unsqueeze(1)
            self.truth[position].update(fused, truth, index)
        if milliseconds is not None:
            times = torch.full((len(index), 1), milliseconds, device=index.device)
            self.time[position].update(times, index)

    def update_sources(self, batch: dict[str, Any]) -> None:
        """Score each source of a batch as if it were the fused image."""
        for k, names in enumerate(batch["source_names"]):
            keys = batch.keys() & {"index", "grey", "reference"}
            sample = {key: batch[key][k : k + 1] for key in keys}
            for m, name in enumerate(names):
                self.update(source_row(name), sample["grey"][:, m], sample)

    @property
    def forms(self) -> str:
        """The conventions of the fusion metrics in a few words."""
        return self.fusion[0].forms

    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by the name of its column."""
        tables = [*self.fusion[:1], *self.truth[:1]]
        return {name: text for table in tables for name, text in table.conventions.items()}

    def to(self, device: torch.device) -> None:
        """Keep values on a device, where processes gather them."""
        for metric in (*self.fusion, *self.truth, *self.time):
            metric.to(device)

    def reset(self) -> None:
        """Forget everything."""
        for metric in (*self.fusion, *self.truth, *self.time):
            metric.reset()

    def scores(self) -> Scores:
        """Gather all processes; every process must call it."""
        values, indices = {}, {}
        for position, row in enumerate(self.rows):
            tables = [self.fusion[position], *([self.truth[position]] if self.truth else [])]
            gathered = [table.per_image() for table in tables]
            indices[row] = gathered[0][0].cpu().numpy()
            values[row] = torch.cat([columns for _, columns in gathered], 1).cpu().numpy()
        presets = [self.fusion[0], *([self.truth[0]] if self.truth else [])]
        directions = {
            name: metric.higher_is_better
            for preset in presets
            for name, metric in preset.metrics_by_name().items()
        }
        return Scores(
            fused_rows=self.fused_rows,
            source_rows=self.source_rows,
            values=values,
            metrics=list(directions),
            truth_metrics=list(self.truth[0].names) if self.truth else [],
            higher_is_better=directions,
            milliseconds={
                row: self.time[k].per_image()[1][:, 0].cpu().numpy()
                for k, row in enumerate(self.fused_rows)
            },
            indices=indices,
        )
