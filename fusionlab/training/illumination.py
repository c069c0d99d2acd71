"""Training of PIAFusion's illumination classifier, the first of its two stages."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchmetrics.classification import MulticlassAccuracy

from fusionlab.data.datamodule import training_loader
from fusionlab.data.illumination import LABELS, IlluminationPatches
from fusionlab.losses.base import ParameterGroup
from fusionlab.networks.piafusion import IlluminationClassifier
from fusionlab.settings import Training
from fusionlab.training.optimization import build_optimizer, restore_rates


class IlluminationModule(L.LightningModule):
    """Cross-entropy of the classifier's two scores, and its accuracy on held-out images.

    Args:
        settings: The ``training`` group of the config.
    """

    def __init__(self, settings: Training) -> None:
        super().__init__()
        self.network = IlluminationClassifier()
        self.settings = settings
        self.accuracy = MulticlassAccuracy(len(LABELS), average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch of patches (B, 3, S, S) and labels (B,)."""
        images, labels = batch
        loss = F.cross_entropy(self.network(images), labels)
        self.log("train/loss/cross_entropy", loss, prog_bar=True)
        return loss

    def on_train_start(self) -> None:
        """Go on with the rates of this training's schedule."""
        restore_rates(self.trainer)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count what is classified rightly."""
        images, labels = batch
        self.accuracy(self.network(images), labels)
        self.log("val/accuracy", self.accuracy, on_epoch=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The optimiser with the schedule of the settings."""
        groups = [ParameterGroup("classifier", list(self.network.parameters()))]
        return build_optimizer(groups, self.settings, self.trainer)


class IlluminationData(L.LightningDataModule):
    """Patches to learn from and patches of other images to validate on.

    Args:
        learnt: To learn from.
        held_out: To validate on.
        settings: The ``training`` group of the config.
        seed: Of the order in which patches come.
    """

    def __init__(
        self,
        learnt: IlluminationPatches,
        held_out: IlluminationPatches,
        settings: Training,
        seed: int,
    ) -> None:
        super().__init__()
        self.learnt, self.held_out = learnt, held_out
        self.settings, self.seed = settings, seed

    def train_dataloader(self) -> DataLoader:
        """Whole batches in another order in every epoch."""
        return training_loader(self.learnt, self.settings, self.seed, *self._place())

    def val_dataloader(self) -> DataLoader:
        """Every held-out patch once, over all processes together."""
        rank, world_size = self._place()
        share = Subset(self.held_out, range(rank, len(self.held_out), world_size))
        return DataLoader(share, self.settings.batch_size, num_workers=self.settings.workers)

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size
