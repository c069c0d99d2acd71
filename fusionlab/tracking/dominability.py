"""Relative Dominability of a whole data set as drawings; the numbers are the summary's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.tracking.identity import table_key

if TYPE_CHECKING:
    from wandb import Run

BINS = 64
POINTS = 2000  # of all sources together; W&B takes long for more


@dataclass
class SourceDrawing:
    """RD of one source, gathered image by image.

    Args:
        points: Pixels of each image that the scatter plot shows, drawn by a fixed seed.
    """

    points: int
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    shown: list[np.ndarray] = field(default_factory=list)

    def add(self, rd: np.ndarray, losses: np.ndarray) -> None:
        """Add an image's RD (H, W) in [0, 1] and losses (H, W)."""
        self.counts += np.histogram(rd, BINS, (0, 1))[0]
        count = min(self.points, rd.size)
        chosen = np.random.default_rng(len(self.shown)).choice(rd.size, count, replace=False)
        self.shown.append(np.stack([rd.ravel()[chosen], losses.ravel()[chosen]], axis=1))


def log_dominability(
    run: Run,
    prefix: str,
    sources: Mapping[str, Mapping[str, float | None]],
    paths: Sequence[Path],
) -> None:
    """Log ``<prefix>/histogram/<source>`` and ``<prefix>/loss/<source>``, a scatter plot.

    Args:
        run: The W&B run.
        prefix: ``rd/<place>/<method>``.
        sources: What the summary says of the RD of each source; the titles have its correlation.
        paths: The images' ``.npz`` with ``rd`` and ``losses`` (M, H, W) and ``source_names``.
    """
    import wandb

    edges = np.linspace(0, 1, BINS + 1)
    for name, drawing in gather(paths).items():
        histogram = wandb.Histogram(np_histogram=(drawing.counts, edges))
        rows = np.concatenate(drawing.shown).tolist()
        table = wandb.Table(columns=["RD", "loss"], data=rows)
        title = f"RD of {name} against its reconstruction loss"
        correlation = sources.get(name, {}).get("correlation")
        if correlation is not None:
            title += f", mean r = {correlation:.2f}"
        chart = wandb.plot.scatter(table, "loss", "RD", title)
        key = table_key(run.id, f"{prefix}/loss/{name}")
        run.log({f"{prefix}/histogram/{name}": histogram, key: chart})


def gather(paths: Sequence[Path]) -> dict[str, SourceDrawing]:
    """Read the arrays of all images, one at a time; by source."""
    gathered: dict[str, SourceDrawing] = {}
    for path in paths:
        with np.load(path) as arrays:
            names, rd, losses = (arrays[key] for key in ("source_names", "rd", "losses"))
        points = max(1, POINTS // len(rd) // len(paths))
        for name, own, loss in zip(names.tolist(), rd, losses, strict=True):
            gathered.setdefault(name, SourceDrawing(points)).add(own, loss)
    return gathered
