"""Relative Dominability of a whole data set: its histogram, and how it follows the loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from wandb import Run

BINS = 64
POINTS = 2000  # of all sources together; W&B takes long for more


class SourceDominability:
    """Weights and losses of one source, gathered image by image.

    Args:
        points: Pixels that are kept of each image, drawn by a fixed seed.
    """

    def __init__(self, points: int) -> None:
        self.points = points
        self.counts = np.zeros(BINS, dtype=np.int64)
        self.kept: list[np.ndarray] = []
        self._sums = np.zeros((3, 3))  # of products of 1, weight and loss

    def add(self, weights: np.ndarray, losses: np.ndarray) -> None:
        """Add an image's weights (H, W) in [0, 1] and losses (H, W)."""
        weights, losses = weights.ravel().astype(np.float64), losses.ravel().astype(np.float64)
        self.counts += np.histogram(weights, BINS, (0, 1))[0]
        terms = np.stack([np.ones_like(weights), weights, losses])
        self._sums += terms @ terms.T
        count = min(self.points, weights.size)
        chosen = np.random.default_rng(len(self.kept)).choice(weights.size, count, replace=False)
        self.kept.append(np.stack([weights[chosen], losses[chosen]], axis=1))

    @property
    def correlation(self) -> float:
        """Pearson's, of weight and loss over all pixels; NaN if one of them is constant."""
        moments = self._sums / self._sums[0, 0]
        covariance = moments[1:, 1:] - np.outer(moments[0, 1:], moments[0, 1:])
        (weight, both), (_, loss) = covariance
        rounding = 1e-12 * moments.diagonal()[1:]
        if weight <= rounding[0] or loss <= rounding[1]:
            return float("nan")
        return float(both / np.sqrt(weight * loss))


def log_dominability(run: Run, task: str, paths: Sequence[Path]) -> None:
    """Log ``rd/<task>/histogram/<source>``, ``…/loss/<source>`` (a scatter) and ``…/correlation``.

    Args:
        run: The W&B run.
        task: Of the data set.
        paths: Its images' ``.npz`` with ``weights`` and ``losses`` (M, H, W) and ``source_names``.
    """
    import wandb

    gathered = gather(paths)
    edges = np.linspace(0, 1, BINS + 1)
    for name, found in gathered.items():
        correlation = found.correlation
        table = wandb.Table(columns=["RD", "loss"], data=np.concatenate(found.kept).tolist())
        title = f"RD of {name} against its reconstruction loss, r = {correlation:.2f}"
        histogram = wandb.Histogram(np_histogram=(found.counts, edges))
        run.log(
            {
                f"rd/{task}/histogram/{name}": histogram,
                f"rd/{task}/loss/{name}": wandb.plot.scatter(table, "loss", "RD", title),
            }
        )
        run.summary[f"rd/{task}/correlation/{name}"] = correlation


def gather(paths: Sequence[Path]) -> dict[str, SourceDominability]:
    """Read the arrays of all images, one at a time; by source."""
    gathered: dict[str, SourceDominability] = {}
    for path in paths:
        with np.load(path) as arrays:
            names, weights, losses = (arrays[key] for key in ("source_names", "weights", "losses"))
        points = max(1, POINTS // weights.shape[0] // len(paths))
        for name, weight, loss in zip(names.tolist(), weights, losses, strict=True):
            gathered.setdefault(name, SourceDominability(points)).add(weight, loss)
    return gathered
