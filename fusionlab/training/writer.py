"""Writes what an evaluation computes, image by image, as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.data.dataset import FusionDataset
from fusionlab.metrics.theorem import COLUMNS
from fusionlab.report.images import write_arrays, write_image, write_weight_map
from fusionlab.report.rows import RowFile
from fusionlab.report.run import KEY, PER_IMAGE, THEOREM, THEOREM_KEY, TIME, Sample
from fusionlab.report.theorem import blank_if_nan
from fusionlab.training.module import FusionModule
from fusionlab.training.scoreboard import TheoremLines


class RunWriter(Callback):
    """Writes the files of each image below ``folder``, and then its values.

    An image whose values are in ``per_image.csv`` is done: an interrupted evaluation goes on with
    the others. What the theorem of TTD says of it, if that is measured, was written to
    ``theorem.csv`` before. Processes but the first write ``per_image-<rank>.csv`` and so on.

    Below ``<task>/`` there are ``sources/<id>-<source>.png``, as read; ``static/<id>.png`` and
    ``ttd/<id>.png``, the fused images; ``rd/<id>-<source>.png``, the RD map of a source on a fixed
    scale from 0 to 1; ``rd/<id>.npz``, the raw ``weights`` (M, H, W), ``losses`` (M, H, W) and
    ``source_names``.

    Args:
        folder: The run folder.
        datasets: What is evaluated, in order.
        headings: Of the columns of values, by the names of the metrics.
        with_sources: Whether the sources are written.
        with_theorem: Whether ``theorem.csv`` is.
    """

    def __init__(
        self,
        folder: Path,
        datasets: list[FusionDataset],
        headings: dict[str, str],
        with_sources: bool,
        with_theorem: bool = False,
    ) -> None:
        self.folder, self.datasets, self.headings = folder, datasets, headings
        self.with_sources, self.with_theorem = with_sources, with_theorem

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the folder of the first process on all of them, and begin."""
        self.folder = Path(trainer.strategy.broadcast(str(self.folder)))
        self.begin(trainer.global_rank)

    def begin(self, rank: int) -> None:
        """Open the files of values of a process."""

        def named(name: str) -> Path:
            return self.folder / (name.replace(".", f"-{rank}.") if rank else name)

        self.rows = RowFile(named(PER_IMAGE), KEY, [*self.headings.values(), TIME])
        if self.with_theorem:
            self.theorem = RowFile(named(THEOREM), THEOREM_KEY, COLUMNS)

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
        if self.with_theorem:
            self._write_theorem(dataset, batch["id"], outputs["theorem"])
        self.rows.append_all(lines)  # last: with this an image is done

    def _write_theorem(
        self, dataset: FusionDataset, ids: list[str], theorem: list[TheoremLines]
    ) -> None:
        self.theorem.append_all(
            ((dataset.name, dataset.task, name, source), blank_if_nan(line))
            for name, lines in zip(ids, theorem, strict=True)
            for source, line in lines.items()
        )

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
