"""Scores of one data set: the fused images, and each source alone to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.metrics import (
    AgainstTruth,
    FusionMetrics,
    ImageMean,
    PerImageValues,
    TheoremValues,
    TruthPSNR,
    TruthSSIM,
)
from fusionlab.metrics.base import working_dtype
from fusionlab.report.run import ALONE

TheoremLines = dict[str, list[float]]
"""What the theorem of TTD says of an image, by source; see :meth:`TheoremValues.lines`."""


@dataclass
class TheoremScores:
    """The theorem of TTD on every image, gathered from all processes.

    Args:
        means: As :class:`TheoremValues` has them.
        lines: By position in the data set.
    """

    means: dict[str, float]
    lines: dict[int, TheoremLines]


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
        theorem: The theorem of TTD, if it was measured.
    """

    fused_rows: list[str]
    source_rows: list[str]
    values: dict[str, np.ndarray]
    metrics: list[str]
    truth_metrics: list[str]
    higher_is_better: dict[str, bool | None]
    milliseconds: dict[str, np.ndarray]
    indices: dict[str, np.ndarray]
    theorem: TheoremScores | None = None

    def means(self, row: str) -> dict[str, float]:
        """Mean over the images for which a metric is defined, by metric; NaN if for none."""
        defined = [column[~np.isnan(column)] for column in self.values[row].T]
        means = [float(column.mean()) if column.size else float("nan") for column in defined]
        return dict(zip(self.metrics, means, strict=True))


class RowValues(NamedTuple):
    """The values of one image in one row; the time is only that of a fused image."""

    name: str
    values: list[float]
    milliseconds: float | None


def source_row(name: str) -> str:
    """The row that scores a source alone."""
    return name + ALONE


class Scoreboard:
    """Keeps the values of every image, row by row.

    Args:
        dataset: The data set that is evaluated.
        rows: Rows of fused images, such as ``static`` and ``ttd``.
        metrics: Metrics of the fused images and their sources.
        theorem_loss: Loss in which the theorem of TTD is measured; None leaves it out.
    """

    def __init__(
        self,
        dataset: FusionDataset,
        rows: list[str],
        metrics: Sequence[ImageMean],
        theorem_loss: str | None = None,
    ) -> None:
        names = dict.fromkeys(name for names in dataset.source_names for name in names)
        self.dataset = dataset
        self.fused_rows = rows
        self.source_rows = [source_row(name) for name in names]
        self.fusion = FusionMetrics(metrics)
        self.truth = FusionMetrics([TruthPSNR(), TruthSSIM()]) if dataset.has_reference else None
        self.metrics = self.fusion.metrics_by_name()
        if self.truth is not None:
            self.metrics |= self.truth.metrics_by_name()
        self.values = {
            row: PerImageValues(list(self.metrics)) for row in (*rows, *self.source_rows)
        }
        self.time = {row: PerImageValues(("ms",)) for row in rows}
        self.theorem = TheoremValues(list(names), theorem_loss) if theorem_loss else None
        # rows, as the rest: those of an interrupted evaluation come without their maps
        self.kept = PerImageValues(self.theorem.names) if self.theorem else None

    def update(
        self, row: str, fused: Tensor, batch: dict[str, Any], milliseconds: float | None = None
    ) -> list[RowValues]:
        """Score a batch: ``fused`` (B, 1, H, W) uint8, with its samples and the time it took.

        Returns:
            What was kept of each image.
        """
        index, fused = batch["index"], fused.float()
        values = self.fusion.image_values(fused, batch["grey"].float())
        if self.truth is not None:
            truth = batch["reference"].float().unsqueeze(1)
            values = torch.cat([values, self.truth.image_values(fused, truth)], dim=1)
        rows = [RowValues(row, own, milliseconds) for own in values.tolist()]
        for position, one in zip(index.tolist(), rows, strict=True):
            self.keep(position, one)
        return rows

    def update_sources(self, batch: dict[str, Any]) -> list[list[RowValues]]:
        """Score each source of a batch as if it were the fused image."""
        found = []
        for k, names in enumerate(batch["source_names"]):
            keys = batch.keys() & {"index", "grey", "reference"}
            sample = {key: batch[key][k : k + 1] for key in keys}
            found.append(
                [
                    self.update(source_row(name), sample["grey"][:, m], sample)[0]
                    for m, name in enumerate(names)
                ]
            )
        return found

    def update_theorem(
        self, batch: dict[str, Any], weights: Tensor, losses: Tensor, against: AgainstTruth | None
    ) -> list[TheoremLines]:
        """Measure the theorem of TTD on a batch, as :meth:`TheoremValues.update` does.

        Returns:
            What was kept of each image.
        """
        assert self.theorem is not None
        names = batch["source_names"]
        values = self.theorem.image_values(weights, losses, names, against).tolist()
        found = [self.theorem.lines(*pair) for pair in zip(values, names, strict=True)]
        for position, lines in zip(batch["index"].tolist(), found, strict=True):
            self.keep_theorem(position, lines)
        return found

    def keep_theorem(self, position: int, lines: TheoremLines) -> None:
        """Keep what the theorem says of an image, perhaps of an evaluation that was interrupted."""
        assert self.theorem is not None
        assert self.kept is not None
        _add(self.kept, self.theorem.row(lines), position)

    def keep(self, position: int, row: RowValues) -> None:
        """Keep the values of an image, perhaps of an evaluation that was interrupted."""
        _add(self.values[row.name], row.values, position)
        if row.milliseconds is not None:
            _add(self.time[row.name], [row.milliseconds], position)

    def headings(self) -> dict[str, str]:
        """Every metric with its convention, by short name."""
        return {
            name: f"{metric.name}:{metric.convention_name}" for name, metric in self.metrics.items()
        }

    @property
    def forms(self) -> str:
        """The conventions of the fusion metrics in a few words."""
        return self.fusion.forms

    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by the name of its column."""
        return {
            name: text
            for table in (self.fusion, self.truth)
            if table is not None
            for name, text in table.conventions.items()
        }

    def to(self, device: torch.device) -> None:
        """Keep values on a device, where processes gather them."""
        for table in self._tables():
            table.to(device)

    def reset(self) -> None:
        """Forget everything."""
        for table in self._tables():
            table.reset()

    def _tables(self) -> list[PerImageValues]:
        theorem = [] if self.kept is None else [self.kept]
        return [*self.values.values(), *self.time.values(), *theorem]

    def scores(self) -> Scores:
        """Gather all processes; every process must call it."""
        gathered = {row: table.per_image() for row, table in self.values.items()}
        return Scores(
            fused_rows=self.fused_rows,
            source_rows=self.source_rows,
            values={row: values.cpu().numpy() for row, (_, values) in gathered.items()},
            metrics=list(self.metrics),
            truth_metrics=list(self.truth.names) if self.truth else [],
            higher_is_better={
                name: metric.higher_is_better for name, metric in self.metrics.items()
            },
            milliseconds={
                row: table.per_image()[1][:, 0].cpu().numpy() for row, table in self.time.items()
            },
            indices={row: index.cpu().numpy() for row, (index, _) in gathered.items()},
            theorem=self._theorem_scores(),
        )

    def _theorem_scores(self) -> TheoremScores | None:
        if self.theorem is None or self.kept is None:
            return None
        means = {name: mean.item() for name, mean in self.kept.compute().items()}
        rows = zip(*(part.tolist() for part in self.kept.per_image()), strict=True)
        names = self.dataset.source_names
        lines = {index: self.theorem.lines(row, names[index]) for index, row in rows}
        return TheoremScores(means, lines)


def _add(table: PerImageValues, values: list[float], position: int) -> None:
    device = table.device
    row = torch.tensor([values], dtype=working_dtype(device), device=device)
    table.update(row, torch.tensor([position], device=device))
