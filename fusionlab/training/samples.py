"""Pictures of a few validation samples while a network learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.tracking.identity import short
from fusionlab.tracking.logger import STEP, Tracker
from fusionlab.tracking.panels import Tile, decomposition_tiles, image_tile, rd_tiles, write_panel
from fusionlab.training.module import FusionModule
from fusionlab.training.scores import Scores

SAMPLES = 4  # the first of the validation data, the same each time


class SampleWriter(Callback):
    """Writes ``samples/epoch-<n>/<id>.png`` in the run folder; logs ``samples/<id>`` to W&B.

    Each is one wide picture: the sources, the picture of every method, the common and unique images
    of a network that decomposes, and with TTD the RD and the uni-source component of each source.

    Args:
        dataset: The validation data.
        every: Validations from one time to the next, counted from the first; 0 never does.
    """

    def __init__(self, dataset: FusionDataset, every: int) -> None:
        self.dataset, self.every = dataset, every

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fuse the samples once more, on the first process, if it is time."""
        validation = trainer.current_epoch // (trainer.check_val_every_n_epoch or 1)
        if not self.every or validation % self.every or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FusionModule)
        scores = pl_module.scores[0]
        assert isinstance(scores, Scores)
        folder = Path(trainer.default_root_dir, "samples", f"epoch-{trainer.current_epoch}")
        for index in range(min(SAMPLES, len(self.dataset))):
            name = self.dataset.ids[index]
            with trainer.precision_plugin.forward_context():
                tiles = self._tiles(scores, index)
            write_panel(folder / f"{name}.png", tiles, bool(scores.ttd))
            _log(trainer, f"samples/{short(name)}", folder / f"{name}.png")

    def _tiles(self, scores: Scores, index: int) -> list[Tile]:
        names, sources = self.dataset.source_names[index], self.dataset.images(index)[0]
        batch = collate([self.dataset[index]])
        encoded = scores.fuser.encode(batch)
        settings = [None, *scores.ttd.values()]
        decomposes = scores.fuser.network.decomposes
        found = [
            scores.fuser.pictures(batch, encoded, ttd, decomposes and ttd is None)[0]
            for ttd in settings
        ]
        tiles = [(name, image_tile(image)) for name, image in zip(names, sources, strict=True)]
        tiles += [(name, one.image) for name, one in zip(scores.values, found, strict=True)]
        if found[0].common is not None and found[0].unique is not None:
            tiles += decomposition_tiles(names, found[0].common, found[0].unique)
        for picture in found[1:]:
            assert picture.rd is not None
            tiles += rd_tiles(names, picture.rd)
        if scores.ttd:
            pairs = zip(names, encoded.components[0], strict=True)
            tiles += [(f"{name} alone", image_tile(component)) for name, component in pairs]
        return tiles


def _log(trainer: Trainer, key: str, path: Path) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, Tracker):
            logger.attempt(lambda run: _log_image(run, key, path, trainer.global_step))


def _log_image(run: Any, key: str, path: Path, step: int) -> None:
    import wandb

    run.log({key: wandb.Image(str(path), caption=path.stem), STEP: step})
