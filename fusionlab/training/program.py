"""The program behind train.py."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import lightning as L
import yaml
from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback
from torch import nn

from fusionlab.data.datamodule import FusionData
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.losses import create_objective
from fusionlab.losses.base import ParameterGroup
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.networks import FusionNetwork, create_network, save_checkpoint
from fusionlab.networks.checkpoints import file_sha256, load_weights, read_checkpoint
from fusionlab.programs.fitting import Fitting
from fusionlab.programs.illumination import train_illumination
from fusionlab.programs.inputs import (
    check_datasets,
    check_share,
    check_source_counts,
    open_datasets,
)
from fusionlab.programs.material import open_material
from fusionlab.programs.outcome import print_json, show, write_results
from fusionlab.programs.provenance import provenance
from fusionlab.settings import Task
from fusionlab.tracking.evaluation import summary_values
from fusionlab.tracking.identity import data_name
from fusionlab.training.batch_norm import HoldBatchNorm
from fusionlab.training.module import FusionModule
from fusionlab.training.samples import SampleWriter

BUILT_IN_TASKS = {"multi_focus": "mff", "photographs": "vif", "pairs": "vif"}  # by material


def train(settings: Namespace, config: str) -> Path:
    """Train, validate, keep checkpoints and print the table of the one that is kept.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    stages = {"fusion": train_fusion, "illumination": train_illumination}
    return stages[settings.training.stage](settings, config)


def train_fusion(settings: Namespace, config: str) -> Path:
    """Train a fusion network; as :func:`train`."""
    L.seed_everything(settings.seed, workers=True, verbose=False)
    network = create_network(
        settings.network.name, settings.network.checkpoint, **settings.network.options
    )
    objective = create_objective(settings.network.name, **settings.training.options)
    if settings.data.root is None and settings.data.task is None:
        settings.data.task = BUILT_IN_TASKS[objective.material]
    datasets = open_datasets(settings.data, network)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    check_datasets(datasets, FusionMetrics(metrics))
    check_source_counts(datasets, network)
    groups = objective.parameter_groups(network)
    _check_settings(settings, network, groups)
    material = open_material(objective, network, settings, cast(Task, datasets[0].task))
    module = FusionModule(
        network, objective, settings.training, settings.ttd, settings.network.stretch
    )
    module.train()
    network.checkpoint = {}  # what it starts from is no longer what it is
    module.score_on(datasets, metrics)
    in_one_stage = not any(group.first_epoch for group in groups)
    fitting = Fitting(
        settings,
        config,
        "val/PSNR_truth" if datasets[0].has_reference and in_one_stage else None,
        _callbacks(settings, datasets[0]),
        objective.unused_parameters,
    )
    check_share(datasets, settings.data.batch_size, fitting.trainer.world_size)
    data = FusionData(datasets, settings.data, material, settings.training, settings.seed)
    about = {"settings": yaml.safe_load(config), "data": [one.describe() for one in datasets]}
    fitting.fit(module, data, {**module.describe(), **about, **provenance()})
    _keep(fitting, network)
    fitting.trainer.test(module, data, verbose=False)
    if fitting.trainer.is_global_zero:
        _finish(fitting, module, datasets, settings, config)
    return fitting.folder


def _finish(
    fitting: Fitting,
    module: FusionModule,
    datasets: list[FusionDataset],
    settings: Namespace,
    config: str,
) -> None:
    """Write the scores of the weights to use, print them and log them."""
    evaluated = list(zip(datasets, module.tested, strict=True))
    content = write_results(fitting.folder, module, datasets, evaluated, config)
    if settings.json:
        print_json(content)
    else:
        show(module, evaluated)
        print(f"Checkpoints, log, config and scores: {fitting.folder}")
    name = f"{module.network.name}-{data_name(content['data'])}"
    fitting.track(summary_values(content), Path(module.network.checkpoint["path"]), name)


def _callbacks(settings: Namespace, validation: FusionDataset) -> list[Callback]:
    """What a fusion network is trained with, besides what every training has."""
    callbacks: list[Callback] = [HoldBatchNorm(settings.training.hold_batch_norm)]
    if not settings.trainer.fast_dev_run:
        callbacks.append(SampleWriter(validation, settings.training.samples_every))
    return callbacks


def _check_settings(
    settings: Namespace, network: FusionNetwork, groups: list[ParameterGroup]
) -> None:
    """Refuse what would leave a part of the network untrained, or cannot be computed.

    Raises:
        InputError: Naming the setting.
    """
    epochs = settings.trainer.max_epochs
    for group in groups:
        if group.first_epoch >= epochs and not settings.trainer.fast_dev_run:
            raise InputError(
                f"{group.name} of {network.name} begins to learn after {group.first_epoch} epochs; "
                f"raise trainer.max_epochs, {epochs}, or set training.options"
            )
    normalised = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    if normalised and settings.training.batch_size < 2:
        raise InputError(f"{network.name} has batch norm; set training.batch_size to 2 or more")


def _keep(fitting: Fitting, network: FusionNetwork) -> None:
    """Load the weights to keep into the network and write them as safetensors."""
    if fitting.kept is not None:
        load_weights(network, read_checkpoint(fitting.kept))
    if fitting.trainer.is_global_zero:
        path = fitting.folder / f"{network.name}.safetensors"
        save_checkpoint(network, path)
        network.checkpoint = {"path": str(path), "sha256": file_sha256(path)}
