"""Loaders for training, validation, test and prediction, each process with its own share."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
from torch.utils.data import DataLoader, Dataset, Subset

from fusionlab.data.batches import (
    EpochSampler,
    SameShapeBatches,
    evaluation_loader,
    worker_options,
)
from fusionlab.data.crops import ENDLESS
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.settings import Data, Training

BATCHES_OF_ENDLESS = 200  # between validations, unless the settings say


class FusionData(L.LightningDataModule):
    """Data sets to evaluate on and, for a training, what to learn from.

    Args:
        datasets: Data sets; the first one serves for validation, all for test and prediction.
        settings: The ``data`` group of the config.
        learns_from: What to learn from.
        training: The ``training`` group of the config.
        seed: Of the order in which items to learn from come.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        settings: Data | None = None,
        learns_from: Dataset | None = None,
        training: Training | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.datasets, self.settings = list(datasets), settings or Data()
        self.learns_from, self.training, self.seed = learns_from, training or Training(), seed

    def train_dataloader(self) -> DataLoader:
        """New items in every epoch.

        Raises:
            InputError: If there is nothing to learn from, or a validation would never come.
        """
        if self.learns_from is None:
            raise InputError("FusionData was given nothing to learn from; set learns_from")
        loader = training_loader(self.learns_from, self.training, self.seed, *self._place())
        interval, batches = getattr(self.trainer, "val_check_interval", None), len(loader)
        by_epoch = getattr(self.trainer, "check_val_every_n_epoch", None) is not None
        if by_epoch and isinstance(interval, int) and interval > batches:
            raise InputError(
                f"trainer.val_check_interval is {interval}, and an epoch has {batches} batches; "
                "lower it, or raise training.batches_per_epoch"
            )
        return loader

    def val_dataloader(self) -> DataLoader:
        """The first data set."""
        return self._loader(self.datasets[0])

    def test_dataloader(self) -> list[DataLoader]:
        """Every data set."""
        return [self._loader(dataset) for dataset in self.datasets]

    def predict_dataloader(self) -> list[DataLoader]:
        """The same."""
        return self.test_dataloader()

    def check_share(self, processes: int) -> None:
        """Lightning cannot give a process nothing at all to validate on.

        Raises:
            InputError: If there are fewer batches than processes.
        """
        dataset, batches = self.datasets[0], 0
        if isinstance(dataset, FusionDataset):
            batches = len(SameShapeBatches(dataset, self.settings.batch_size))
        else:
            batches = len(dataset)  # type: ignore[arg-type]  # Dataset does not promise a length
        if batches < processes:
            raise InputError(
                f"the data to validate on have {batches} batches for {processes} processes; lower "
                "trainer.devices"
            )

    def _loader(self, dataset: Dataset) -> DataLoader:
        """Every item once, over all processes together."""
        rank, world_size = self._place()
        if isinstance(dataset, FusionDataset):
            settings = self.settings
            return evaluation_loader(
                dataset, settings.batch_size, settings.workers, rank, world_size
            )
        count = len(dataset)  # type: ignore[arg-type]  # as above
        share = Subset(dataset, range(rank, count, world_size))
        return DataLoader(share, self.training.batch_size, **worker_options(self.training.workers))

    def _place(self) -> tuple[int, int]:
        """Rank and number of processes.

        Raises:
            InputError: If the Trainer would share out the shares once more.
        """
        trainer = self.trainer
        if trainer is None:
            return 0, 1
        connector = getattr(trainer, "_accelerator_connector", None)
        if connector and connector.is_distributed and connector.use_distributed_sampler:
            raise InputError(
                "FusionData gives each process its share itself; make the Trainer with "
                "use_distributed_sampler=False"
            )
        return trainer.global_rank, trainer.world_size


def go_on_within_epoch(trainer: L.Trainer) -> None:
    """Let a resumed training have the batches that an uninterrupted one would have now.

    Lightning makes the loader, and its workers begin to read, before it knows the epoch, and it
    counts the batches of an interrupted epoch without leaving them out.
    """
    loop, loader = trainer.fit_loop, trainer.train_dataloader
    if trainer.ckpt_path is None or not isinstance(loader, DataLoader):
        return
    sampler = loader.sampler
    if not isinstance(sampler, EpochSampler):
        return
    sampler.set_epoch(trainer.current_epoch)
    if loop.restarted_mid_epoch:
        seen = loop.epoch_loop.batch_progress.state_dict()["current"]["processed"]
        sampler.skip(seen * (loader.batch_size or 1))
    assert loop._data_fetcher is not None
    iter(loop._data_fetcher)  # anew


def training_loader(
    data: Dataset, settings: Training, seed: int, rank: int = 0, world_size: int = 1
) -> DataLoader:
    """Batches of one epoch for one process, always whole ones.

    An epoch is one pass without the last, incomplete batch, at least one batch; or as many batches
    as the settings say. Data without end may say how long a pass is (``pass_length``).
    """
    count = len(data)  # type: ignore[arg-type]  # Dataset does not promise a length
    size: int | None = None if count >= ENDLESS else count
    batches = settings.batches_per_epoch
    one_pass: int | None = getattr(data, "pass_length", size)
    if batches is None:
        batches = BATCHES_OF_ENDLESS
        if one_pass is not None:
            batches = max(1, one_pass // (settings.batch_size * world_size))
    sampler = EpochSampler(batches * settings.batch_size, size, seed, rank, world_size)
    return DataLoader(
        data,
        batch_size=settings.batch_size,
        sampler=sampler,
        **worker_options(settings.workers),
        persistent_workers=settings.workers > 0,
    )
