"""Writes what an evaluation computes, image by image, as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.data.dataset import FusionDataset
from fusionlab.report.images import write_arrays, write_image, write_weight_map
from fusionlab.report.rows import RowFile
from fusionlab.report.run import KEY, TIME, Sample
from fusionlab.training.module import FusionModule


class RunWriter(Callback):
    """Writes the files of each image below ``folder``, and then its values.

    An image whose values are in ``per_image.csv`` is done: an interrupted evaluation goes on with
    the others. Processes but the first write ``per_image-<rank>.csv``.

    Below ``<task>/`` there are ``sources/<id>-<source>.png``, as read; ``static/<id>.png`` and
    ``ttd/<id>.png``, the fused images; ``rd/<id>-<source>.png``, the RD map of a source on a fixed
    scale from 0 to 1; ``rd/<id>.npz``, the raw ``weights`` (M, H, W), ``losses`` (M, H, W) and
    ``source_names``.

    Args:
        folder: The run folder.
        datasets: What is evaluated, in order.
        headings: Of the columns of values, by the names of the metrics.
        with_sources: Whether the sources are written.
    """

    def __init__(
        self,
        folder: Path,
        datasets: list[FusionDataset],
        headings: dict[str, str],
        with_sources: bool,
    ) -> None:
        self.folder, self.datasets, self.headings = folder, datasets, headings
        self.with_sources = with_sources

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the folder of the first process on all of them, and begin."""
        self.folder = Path(trainer.strategy.broadcast(str(self.folder)))
        self.begin(trainer.global_rank)

    def begin(self, rank: int) -> None:
        """Open the file of values of a process."""
        name = f"per_image-{rank}.csv" if rank else "per_image.csv"
        self.rows = RowFile(self.folder / name, KEY, [*self.headings.values(), TIME])

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write a batch."""
        dataset, lines = self.datasets[dataloader_idx], []
        assert isinstance(pl_module, FusionModule)
        metrics = list(pl_module.boards[dataloader_idx].metrics)
        for k, name in enumerate(batch["id"]):
            sample = Sample(dataset.name, dataset.task, name)
            for row, images in outputs["images"].items():
                write_image(self.folder / sample.image(row), images[k])
            if self.with_sources:
                self._write_sources(dataset, int(batch["index"][k]), sample)
            if outputs["dynamic"] is not None:
                self._write_maps(sample, batch["source_names"][k], outputs, k)
            for row, values, milliseconds in outputs["rows"][k]:
                named = dict(zip(metrics, values, strict=True))
                cells = [named.get(metric) for metric in self.headings]
                key = (dataset.name, dataset.task, name, row)
                lines.append((key, [*cells, milliseconds]))
        self.rows.append_all(lines)

    def _write_sources(self, dataset: FusionDataset, index: int, sample: Sample) -> None:
        images, _ = dataset.images(index)
        for name, image in zip(dataset.source_names[index], images, strict=True):
            write_image(self.folder / sample.source(name), image)

    def _write_maps(self, sample: Sample, sources: Any, outputs: Any, k: int) -> None:
        weights = outputs["dynamic"].weights[k, :, 0].float()
        losses = outputs["dynamic"].losses[k, :, 0].float()
        for source, weight in zip(sources, weights, strict=True):
            write_weight_map(self.folder / sample.weight_map(source), weight)
        write_arrays(
            self.folder / sample.arrays,
            {
                "weights": weights.cpu().numpy(),
                "losses": losses.cpu().numpy(),
                "source_names": np.array(sources),
            },
        )
