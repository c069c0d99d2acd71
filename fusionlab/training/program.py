"""The program behind ``fusionlab train``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from jsonargparse import Namespace
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from torch import nn
from torch.utils.data import Dataset

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.evaluation.opening import check_data
from fusionlab.losses import Objective, ParameterGroup, create_objective, objective_name
from fusionlab.metrics import open_metrics
from fusionlab.networks import NETWORKS, FusionNetwork, create_network, save_checkpoint
from fusionlab.networks.checkpoints import weights_sha256
from fusionlab.settings import Data, Metrics, Network, Training
from fusionlab.training.callbacks import HoldBatchNorm, HoldFrozen, frozen_parts
from fusionlab.training.data import open_training
from fusionlab.training.datamodule import FusionData
from fusionlab.training.fitting import Fitting
from fusionlab.training.module import FusionModule
from fusionlab.training.optimization import check_optimization, learning_groups
from fusionlab.training.results import BenchResults, ObjectiveResults, finished_training
from fusionlab.training.samples import SampleWriter


def train(settings: Namespace, config: str) -> Path:
    """Train, validate, keep checkpoints, and show what the weights that are kept score.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    if settings.resume is not None and (finished := finished_training(settings)):
        return finished
    seed_everything(settings.seed, workers=True, verbose=False)
    objective, network = _open(settings)
    groups = learning_groups(objective, network)
    learns_network = bool({id(one) for group in groups for one in group.parameters} & _ids(network))
    _check_settings(settings, network, groups)
    learns_from, validation = open_training(objective, network, settings)
    if objective.validates:
        _check_read(settings, objective, learns_network, isinstance(validation, FusionDataset))
    if isinstance(validation, FusionDataset):
        check_data([validation])
    module = _module(settings, objective, network)
    data = FusionData([validation], settings.data, learns_from, settings.training, settings.seed)
    results = _results(module, data, settings, config)
    in_one_stage = not any(group.first_epoch for group in groups)
    monitor = results.monitor if in_one_stage else None
    fitting = Fitting(
        settings,
        config,
        monitor,
        _callbacks(settings, objective, validation, monitor),
        objective.unused_parameters,
    )
    data.check_share(fitting.trainer.world_size)
    with fitting.folder_alone():
        fitting.fit(module, data, results.about())
        fitting.load_kept(module)
        keeps_network = learns_network or not objective.validates
        results.write(fitting, _save(fitting, objective, network if keeps_network else None))
    return fitting.folder


def _open(settings: Namespace) -> tuple[Objective, FusionNetwork]:
    """The objective comes first: what it draws from the seed does not depend on the network."""
    chosen, training = settings.network, settings.training
    if not NETWORKS[chosen.name].trainable:
        raise InputError(f"{chosen.name} has no weights to train; set network.name to another")
    default = NETWORKS[chosen.name].objective
    name = objective_name(training.objective, default, chosen.name)
    objective = create_objective(name, **training.options)
    network = create_network(chosen.name, chosen.checkpoint, **chosen.options)
    objective.check_network(network)
    objective.prepare(network)
    for part in frozen_parts(network, training.freeze):
        part.requires_grad_(False)
    return objective, network


def _module(settings: Namespace, objective: Objective, network: FusionNetwork) -> FusionModule:
    if settings.metrics.colour == "channels":
        raise InputError("metrics.colour channels is for evaluate; a training validates luma")
    network.checkpoint = {}  # what it starts from is no longer what it is
    return FusionModule(
        network,
        objective,
        settings.training,
        () if settings.ttd is None else settings.ttd,
        open_metrics(settings.metrics.preset, settings.metrics.names),
        colour=settings.data.colour,
        stretch=settings.network.stretch,
    )


def _results(
    module: FusionModule, data: FusionData, settings: Namespace, config: str
) -> BenchResults | ObjectiveResults:
    assert module.objective is not None
    if module.objective.validates:
        return ObjectiveResults(module, data, settings, config)
    validation = data.datasets[0]
    assert isinstance(validation, FusionDataset)
    return BenchResults(module, validation, settings, config)


def _callbacks(
    settings: Namespace, objective: Objective, validation: Dataset, monitor: str | None
) -> list[Callback]:
    """What a fusion network is trained with, besides what every training has."""
    training = settings.training
    callbacks: list[Callback] = [HoldBatchNorm(training.hold_batch_norm)]
    if training.freeze:
        callbacks.append(HoldFrozen(training.freeze))
    if training.ema is not None:
        callbacks.append(EMAWeightAveraging(decay=training.ema))
    if training.patience is not None:
        if monitor is None:
            raise InputError("training.patience needs a best epoch: data with a ground truth")
        callbacks.append(EarlyStopping(monitor, patience=training.patience, mode="max"))
    if objective.validates or settings.trainer.fast_dev_run:
        return callbacks
    if isinstance(validation, FusionDataset):
        callbacks.append(SampleWriter(validation, settings.training.samples_every))
    return callbacks


def _check_settings(
    settings: Namespace, network: FusionNetwork, groups: list[ParameterGroup]
) -> None:
    """Refuse what would leave a part untrained, or cannot be computed.

    Raises:
        InputError: Naming the setting.
    """
    check_optimization(groups, settings.training)
    epochs = settings.trainer.max_epochs
    for group in groups:
        if group.first_epoch >= epochs and not settings.trainer.fast_dev_run:
            raise InputError(
                f"{group.name} of {network.name} begins to learn after {group.first_epoch} epochs; "
                f"raise trainer.max_epochs, {epochs}, or set training.options"
            )
    frozen = frozen_parts(network, settings.training.freeze)
    held = {id(one) for part in frozen for one in part.modules()}
    normalised = any(
        isinstance(module, nn.BatchNorm2d) and id(module) not in held
        for module in network.modules()
    )
    alone = settings.training.batch_size < 2
    if normalised and alone and settings.training.hold_batch_norm > 0:
        raise InputError(
            f"{network.name} has batch norm; set training.batch_size to 2 or more, or "
            "training.hold_batch_norm to 0"
        )


def _check_read(
    settings: Namespace, objective: Objective, learns_network: bool, reads_data: bool
) -> None:
    """Refuse what an objective that validates itself does not read.

    Args:
        settings: The instantiated config.
        objective: The objective.
        learns_network: Whether the network is trained.
        reads_data: Whether it validates on the group ``data``.

    Raises:
        InputError: Naming the first such setting.
    """
    network = settings.network
    unread = {
        "network": not (learns_network or objective.reads_network)
        and asdict(network) != asdict(Network(network.name)),
        "data": not reads_data and settings.data != Data(),
        "ttd": settings.ttd is not None,
        "metrics": settings.metrics != Metrics(),
        "training.samples_every": settings.training.samples_every != Training().samples_every,
    }
    for name, given in unread.items():
        if given:
            raise InputError(
                f"training.objective {objective.name} does not read {name}; leave it out"
            )


def _save(fitting: Fitting, objective: Objective, network: FusionNetwork | None) -> list[Path]:
    """Write the network, if it was trained, and what the objective has; on the first process."""
    if not fitting.trainer.is_global_zero:
        return []
    files = []
    if network is not None:
        path = fitting.folder / f"{network.name}.safetensors"
        save_checkpoint(network, path)
        network.checkpoint = {"path": str(path), "sha256": weights_sha256(network.state_dict())}
        files.append(path)
    own = objective.save(fitting.folder)
    return [*files, *([own] if own is not None else [])]


def _ids(network: FusionNetwork) -> set[int]:
    return {id(parameter) for parameter in network.parameters()}


if __name__ == "__main__":
    raise SystemExit("run fusionlab train")
