"""Loaders for training, validation and evaluation, each process with its own share."""

from __future__ import annotations

import lightning as L
from torch.utils.data import DataLoader

from fusionlab.data.batches import EpochSampler, evaluation_loader
from fusionlab.data.crops import MultiFocusCrops
from fusionlab.data.dataset import FusionDataset
from fusionlab.settings import Data, Training


class FusionData(L.LightningDataModule):
    """Data sets to evaluate on and, for training, crops to learn from.

    Args:
        datasets: Evaluated one after the other; the first also serves for validation.
        settings: The ``data`` group of the config.
        crops: Training crops.
        training: The ``training`` group of the config; needed with crops.
    """

    def __init__(
        self,
        datasets: list[FusionDataset],
        settings: Data,
        crops: MultiFocusCrops | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__()
        self.datasets, self.settings = datasets, settings
        self.crops, self.training = crops, training

    def train_dataloader(self) -> DataLoader:
        """New crops in every epoch."""
        assert self.crops is not None
        assert self.training is not None
        length = self.training.batches_per_epoch * self.training.batch_size
        return DataLoader(
            self.crops,
            batch_size=self.training.batch_size,
            sampler=EpochSampler(length, *self._place()),
            num_workers=self.training.workers,
        )

    def val_dataloader(self) -> DataLoader:
        """The first data set."""
        return self._loader(self.datasets[0])

    def test_dataloader(self) -> list[DataLoader]:
        """Every data set."""
        return [self._loader(dataset) for dataset in self.datasets]

    def _loader(self, dataset: FusionDataset) -> DataLoader:
        settings = self.settings
        return evaluation_loader(dataset, settings.batch_size, settings.workers, *self._place())

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size
