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
from fusionlab.tracking.panels import Tile, image_tile, weight_tile, write_panel
from fusionlab.training.dynamic import seen_by
from fusionlab.training.module import FusionModule

SAMPLES = 4  # the first of the validation data, the same each time


class SampleWriter(Callback):
    """Writes ``samples/epoch-<n>/<id>.png`` in the run folder; logs ``samples/<id>`` to W&B.

    Each is one wide picture: the sources, fused statically, and with TTD also fused dynamically,
    the RD and the uni-source component of each source.

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
        folder = Path(trainer.default_root_dir, "samples", f"epoch-{trainer.current_epoch}")
        for index in range(min(SAMPLES, len(self.dataset))):
            name = self.dataset.ids[index]
            tiles = self._tiles(trainer, pl_module, index)
            write_panel(folder / f"{name}.png", tiles, pl_module.dynamic_options is not None)
            _log(trainer, f"samples/{short(name)}", folder / f"{name}.png")

    def _tiles(self, trainer: Trainer, module: FusionModule, index: int) -> list[Tile]:
        precision = trainer.precision_plugin
        batch = trainer.strategy.batch_to_device(collate([self.dataset[index]]))
        with precision.val_step_context():
            batch = precision.convert_input(batch)
            images, _, dynamic = module.fuse(batch)
            seen = seen_by(module.network, batch["sources"])
            # those of TTD may be the static image; four samples now and then may be encoded again
            components = module.network.components(module.network.encode(seen), seen)[0]
        names = self.dataset.source_names[index]
        sources = self.dataset.images(index)[0]
        tiles = [(name, image_tile(image)) for name, image in zip(names, sources, strict=True)]
        tiles += [
            (row, image_tile(module.viewable(image, batch)[0])) for row, image in images.items()
        ]
        if dynamic is not None:
            pairs = zip(names, dynamic.weights[0, :, 0], strict=True)
            tiles += [(f"RD {name}", weight_tile(weight)) for name, weight in pairs]
            pairs = zip(names, components, strict=True)
            tiles += [(f"{name} alone", image_tile(component)) for name, component in pairs]
        return tiles


def _log(trainer: Trainer, key: str, path: Path) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, Tracker):
            logger.attempt(lambda run: _log_image(run, key, path, trainer.global_step))


def _log_image(run: Any, key: str, path: Path, step: int) -> None:
    import wandb

    run.log({key: wandb.Image(str(path), caption=path.stem), STEP: step})
