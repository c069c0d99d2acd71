"""Writes fused images and RD maps as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.data.dataset import FusionDataset
from fusionlab.report.images import write_arrays, write_image, write_weight_map


class ImageWriter(Callback):
    """Writes what is computed of every image below ``folder/<task>/``.

    ``static/<id>.png`` and ``ttd/<id>.png`` are the fused images; ``rd/<id>-<source>.png`` is the
    RD map of a source on a fixed scale from 0 to 1; ``rd/<id>.npz`` has the raw ``weights``
    (M, H, W), ``losses`` (M, H, W) and ``source_names``.
    """

    def __init__(self, folder: Path, datasets: list[FusionDataset]) -> None:
        self.folder, self.datasets = folder, datasets

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the folder of the first process on all of them."""
        self.folder = Path(trainer.strategy.broadcast(str(self.folder)))

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
        folder = self.folder / self.datasets[dataloader_idx].task
        for k, name in enumerate(batch["id"]):
            for row, images in outputs["images"].items():
                write_image(folder / row / f"{name}.png", images[k])
            if outputs["dynamic"] is not None:
                self._write_maps(folder / "rd", name, batch["source_names"][k], outputs, k)

    @staticmethod
    def _write_maps(folder: Path, name: str, sources: Any, outputs: Any, k: int) -> None:
        weights = outputs["dynamic"].weights[k, :, 0].float()
        losses = outputs["dynamic"].losses[k, :, 0].float()
        for source, weight in zip(sources, weights, strict=True):
            write_weight_map(folder / f"{name}-{source}.png", weight)
        write_arrays(
            folder / f"{name}.npz",
            {
                "weights": weights.cpu().numpy(),
                "losses": losses.cpu().numpy(),
                "source_names": np.array(sources),
            },
        )
