"""Loaders for training, validation and evaluation, each process with its own share."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
from torch.utils.data import DataLoader, Dataset

from fusionlab.data.batches import EpochSampler, evaluation_loader
from fusionlab.data.crops import ENDLESS
from fusionlab.data.dataset import FusionDataset
from fusionlab.settings import Data, Training

BATCHES_OF_ENDLESS = 200  # between validations, unless the settings say


class FusionData(L.LightningDataModule):
    """Data sets to evaluate on and, for training, what to learn from.

    Args:
        datasets: Evaluated one after the other; the first also serves for validation.
        settings: The ``data`` group of the config.
        material: What to learn from.
        training: The ``training`` group of the config; needed with material.
        seed: Of the order in which the material comes.
        done: By data set, the samples that an interrupted evaluation has scored.
    """

    def __init__(
        self,
        datasets: list[FusionDataset],
        settings: Data,
        material: Dataset | None = None,
        training: Training | None = None,
        seed: int = 0,
        done: Sequence[set[int]] | None = None,
    ) -> None:
        super().__init__()
        self.datasets, self.settings = datasets, settings
        self.done = done
        self.material, self.training, self.seed = material, training, seed

    def train_dataloader(self) -> DataLoader:
        """New items in every epoch."""
        assert self.material is not None
        assert self.training is not None
        return training_loader(self.material, self.training, self.seed, *self._place())

    def val_dataloader(self) -> DataLoader:
        """The first data set."""
        return self._loader(self.datasets[0], set())

    def test_dataloader(self) -> list[DataLoader]:
        """Every data set."""
        done = self.done or [set()] * len(self.datasets)
        return [self._loader(*pair) for pair in zip(self.datasets, done, strict=True)]

    def _loader(self, dataset: FusionDataset, done: set[int]) -> DataLoader:
        settings = self.settings
        return evaluation_loader(
            dataset, settings.batch_size, settings.workers, *self._place(), done
        )

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size


def training_loader(
    material: Dataset, settings: Training, seed: int, rank: int = 0, world_size: int = 1
) -> DataLoader:
    """Batches of one epoch for one process, always whole ones.

    An epoch is one pass without the last, incomplete batch, at least one batch; or as many batches
    as the settings say.
    """
    count = len(material)  # type: ignore[arg-type]  # Dataset does not promise a length
    size = None if count >= ENDLESS else count
    batches = settings.batches_per_epoch
    if batches is None and size is None:
        batches = BATCHES_OF_ENDLESS
    elif batches is None:
        batches = max(1, count // (settings.batch_size * world_size))
    sampler = EpochSampler(batches * settings.batch_size, size, seed, rank, world_size)
    return DataLoader(
        material,
        batch_size=settings.batch_size,
        sampler=sampler,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )
