"""The program behind train.py."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import lightning as L
from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from fusionlab.data.crops import MultiFocusCrops
from fusionlab.data.datamodule import FusionData
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.photographs import open_photographs
from fusionlab.errors import InputError
from fusionlab.losses import OBJECTIVES
from fusionlab.networks import FusionNetwork, create_network, save_checkpoint
from fusionlab.networks.checkpoints import file_sha256, load_weights, read_checkpoint
from fusionlab.programs.evaluate import check_datasets, open_datasets, show, write_results
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.programs.trainer import build_trainer
from fusionlab.report.images import write_whole
from fusionlab.training.batch_norm import HoldBatchNorm
from fusionlab.training.module import FusionModule

ENDLESS = 2**40  # crops; an epoch takes as many as training.batches_per_epoch says


def train(settings: Namespace, config: str) -> Path:
    """Train, validate, keep checkpoints and print the table of the best one.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    if settings.network.name not in OBJECTIVES:
        known = ", ".join(sorted(OBJECTIVES))
        raise InputError(f"{settings.network.name} cannot be trained yet; network.name: {known}")
    L.seed_everything(settings.seed, workers=True, verbose=False)
    resumed = None if settings.resume is None else Path(settings.resume) / "last.ckpt"
    network = create_network(
        settings.network.name, settings.network.checkpoint, **settings.network.options
    )
    if settings.data.root is None and settings.data.task is None:
        settings.data.task = "mff"  # the built-in scenes of what is trained
    datasets = open_datasets(settings.data, network)
    check_datasets(datasets)
    crops = _crops(settings)
    folder = resumed.parent if resumed else run_folder(settings.output, "train")
    module = FusionModule(network, OBJECTIVES[network.name](), settings.training, settings.ttd)
    module.train()
    network.checkpoint = {}  # what it starts from is no longer what it is
    module.score_on(datasets)
    best = _best_checkpoint(folder, datasets[0])
    trainer = build_trainer(
        settings.trainer,
        [
            best,
            HoldBatchNorm(settings.training.hold_batch_norm),
            LearningRateMonitor(),
            _SaveConfig(folder, config),
        ],
        folder,
        CSVLogger(folder, name="log"),
    )
    data = FusionData(datasets, settings.data, crops, settings.training)
    make(folder)
    try:
        trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
    except SystemExit:  # how Lightning answers Ctrl-C
        if (folder / "last.ckpt").is_file():
            print(f"interrupted; python train.py --resume {folder} goes on", file=sys.stderr)
        raise
    _keep_best(trainer, network, best, folder)
    trainer.test(module, data, verbose=False)
    if trainer.is_global_zero:
        evaluated = list(zip(datasets, module.tested, strict=True))
        ttd = None if settings.ttd is None else asdict(settings.ttd)
        write_results(folder, {"network": network.describe(), "ttd": ttd}, evaluated, config)
        show(evaluated, network, settings.ttd)
        print(f"Checkpoints, log, config and scores: {folder}")
    return folder


def _crops(settings: Namespace) -> MultiFocusCrops:
    training = settings.training
    photographs = open_photographs(training.photographs, training.crop_size)
    return MultiFocusCrops(photographs, training.crop_size, ENDLESS, settings.seed)


def _best_checkpoint(folder: Path, dataset: FusionDataset) -> ModelCheckpoint:
    """Keeps ``best.ckpt``, closest to the ground truth where there is one, and ``last.ckpt``."""
    return ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor="val/PSNR_truth" if dataset.has_reference else "val/SSIM",
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )


def _keep_best(
    trainer: L.Trainer, network: FusionNetwork, best: ModelCheckpoint, folder: Path
) -> None:
    """Load the best weights into the network and write them as safetensors."""
    if best.best_model_path:  # empty after a fast_dev_run
        load_weights(network, read_checkpoint(best.best_model_path))
    if trainer.is_global_zero:
        path = folder / f"{network.name}.safetensors"
        save_checkpoint(network, path)
        network.checkpoint = {"path": str(path), "sha256": file_sha256(path)}


class _SaveConfig(Callback):
    """Writes the resolved config beside the checkpoints when training starts."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            write_whole(self.folder / "config.yaml", self.config.encode())
