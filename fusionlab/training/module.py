"""The LightningModule: a network, an objective, and settings of TTD to validate with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

import fusionlab
from fusionlab.errors import InputError
from fusionlab.evaluation.methods import network_methods
from fusionlab.evaluation.scoring import Scorer
from fusionlab.fusing import Picture
from fusionlab.losses import Objective, Step, create_objective, objective_name
from fusionlab.metrics import FusionMetrics, ImageMean
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.settings import TTD, Training
from fusionlab.training.datamodule import go_on_within_epoch
from fusionlab.training.length import total_steps
from fusionlab.training.optimization import (
    build_optimizers,
    clip_each_group,
    learning_groups,
    optimizer_names,
    steps_done,
)
from fusionlab.training.schedules import restore_rates, step_schedules, warming_up
from fusionlab.training.scores import ObjectiveScores, Scores

OBJECTIVE = "objective."  # how the keys of its weights begin


class FusionModule(L.LightningModule):
    """Trains, validates, tests and predicts with a fusion network.

        trainer.test(FusionModule("ifcnn", checkpoint="bundled", ttd="paper"), dataloaders=loader)

    ``fit`` takes batches as the objective learns from them. ``validate``, ``test`` and ``predict``
    take samples of a :class:`~fusionlab.data.dataset.FusionDataset`, put into batches by
    :func:`~fusionlab.data.batches.collate`. Metrics are logged as ``val/<metric>`` and
    ``test/<metric>``, with TTD as ``val/ttd/<metric>``; with several settings of TTD their
    differences follow ``ttd``, with several data sets their names follow ``val``.

    Args:
        network: The network, or its name.
        objective: What is minimised, or its name. Default: as ``training`` says, else the
            network's own. By name it is made when a training begins.
        training: The ``training`` group of a config.
        ttd: Settings of test-time dynamic fusion, or names of presets.
        metrics: A preset, or metrics.
        task: ``vif``, ``mif``, ``mef`` or ``mff``, of data sets that do not state theirs.
        colour: ``auto``, ``luma`` or ``rgb``.
        stretch: Whether fused pictures are stretched to the full range; None as the authors do.
        options: Options of a network given by name.
        checkpoint: Weights of a network given by name, as for ``create_network``.

    Raises:
        InputError: If something does not fit.
    """

    def __init__(
        self,
        network: FusionNetwork | str,
        objective: Objective | str | None = None,
        training: Training | Mapping[str, Any] | None = None,
        ttd: TTD | str | Sequence[TTD | str | Mapping[str, Any]] = (),
        metrics: str | Sequence[str | ImageMean] = "ttd",
        *,
        task: str | None = None,
        colour: str = "auto",
        stretch: bool | None = None,
        options: Mapping[str, Any] | None = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.network = _network(network, options, checkpoint)
        self.training_settings = (
            training if isinstance(training, Training) else Training(**(training or {}))
        )
        self.objective = objective if isinstance(objective, Objective) else None
        wanted = (objective.name or "none") if isinstance(objective, Objective) else objective
        self.wanted_objective = wanted or self.training_settings.objective
        self.methods = network_methods(
            self.network.title(), self.network, _settings(ttd), colour, stretch
        )
        self.scorer = Scorer(FusionMetrics(metrics).metrics, with_truth=True)
        self.task = task
        self.scores: Sequence[Scores | ObjectiveScores] = []  # of each data set
        self._optimizers: list[str] = []
        self._total: int | None = None
        self.save_hyperparameters(self._plain(), logger=False)

    def setup(self, stage: str) -> None:
        """Make the objective of a training, where it was given by name; prepare it."""
        if stage != "fit":
            return
        if self.objective is None:
            network = self.network
            own = network.name or network.title()
            name = objective_name(self.wanted_objective, network.objective, own)
            self.objective = create_objective(name, **self.training_settings.options)
        self.objective.check_network(self.network)
        self.objective.prepare(self.network)
        if self.training_settings.compile:
            # the step alone, so that no key of a checkpoint changes; in the layout of the network:
            # in another one PyTorch 2.14 takes the gradient of a replicate padding wrongly
            self.objective.compile(options={"layout_optimization": False})

    def configure_optimizers(self) -> Any:
        """The optimisers of the objective's groups; :meth:`training_step` steps several."""
        assert self.objective is not None
        groups = learning_groups(self.objective, self.network)
        self._optimizers = optimizer_names(groups)
        made = build_optimizers(groups, self.training_settings, self.trainer)
        if len(made) == 1:
            return made[0]
        self.automatic_optimization = False
        return made

    def on_fit_start(self) -> None:
        """Let every part learn: networks come in evaluation mode."""
        self.train()

    def on_fit_end(self) -> None:
        """Let the next trainer clip gradients, which Lightning forbids to manual optimisation."""
        self.automatic_optimization = True

    def on_train_start(self) -> None:
        """Go on with the rates of this training's schedule, and where its epoch was left."""
        go_on_within_epoch(self.trainer)
        restore_rates(self.trainer)
        total = total_steps(self.trainer)
        self._total = None if total == float("inf") else int(total)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor | None:
        """The loss; several optimisers make a step each, with a loss of their own."""
        if self.automatic_optimization:
            return self._loss(batch, self._optimizers[0])
        for name, optimizer in zip(self._optimizers, self.optimizers(), strict=True):
            self.toggle_optimizer(optimizer)
            loss = self._loss(batch, name)
            optimizer.zero_grad()
            self.manual_backward(loss)
            with warming_up(optimizer, self._warmth()):
                optimizer.step()
            self.untoggle_optimizer(optimizer)
        step_schedules(self.trainer, "step")
        return None

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, *given: Any) -> None:
        """A step of the only optimiser, at first with a lower rate."""
        inner = getattr(optimizer, "optimizer", optimizer)
        with warming_up(inner, self._warmth()):
            super().optimizer_step(epoch, batch_idx, optimizer, *given)

    def _warmth(self) -> float:
        """Share of the learning rate in this step."""
        return (steps_done(self.trainer) + 1) / max(1, self.training_settings.warmup_steps)

    def on_train_epoch_end(self) -> None:
        """Let the schedules of several optimisers step on."""
        if not self.automatic_optimization:
            step_schedules(self.trainer, "epoch")

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each group of parameters by itself."""
        if gradient_clip_val is not None:
            clip_each_group(optimizer, gradient_clip_val)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Clip for several optimisers, where Lightning does not."""
        if not self.automatic_optimization:
            self.configure_gradient_clipping(optimizer, self.trainer.gradient_clip_val)

    def on_validation_start(self) -> None:
        """Prepare to score; calibrate TTD anew, since the weights are others."""
        objective = self.objective
        if objective is not None and objective.validates:
            self.scores = [ObjectiveScores(objective, self.network, self.device)]
        else:
            self._open(self.trainer.val_dataloaders)

    def on_test_start(self) -> None:
        """Prepare to score."""
        self._open(self.trainer.test_dataloaders)

    def on_predict_start(self) -> None:
        """Prepare to fuse.

        Raises:
            InputError: If there are several settings of TTD.
        """
        if len(self.methods.ttd) > 1:
            raise InputError("predict gives one picture of each sample; set one setting of ttd")
        self._open(self.trainer.predict_dataloaders)

    def validation_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Fuse and score a batch, or let the objective judge it."""
        self.scores[dataloader_idx].update(batch)

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Fuse and score a batch."""
        self.scores[dataloader_idx].update(batch)

    def predict_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> list[Picture]:
        """The pictures of a batch, on the CPU; with TTD if there is a setting of it."""
        scores = self.scores[dataloader_idx]
        assert isinstance(scores, Scores)
        (ttd,) = scores.ttd.values() or [None]
        (pictures,) = scores.fuser.fuse_batch(batch, [ttd])
        return [_on_cpu(picture) for picture in pictures]

    def on_validation_epoch_end(self) -> None:
        """Log the means over all images."""
        self._log_means("val")

    def on_test_epoch_end(self) -> None:
        """Log the means over all images; ``Trainer.test`` returns them."""
        self._log_means("test")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the weights of an objective that there is not: it is needed to train only."""
        if self.objective is None:
            weights = checkpoint["state_dict"]
            kept = {key: weights[key] for key in weights if not key.startswith(OBJECTIVE)}
            checkpoint["state_dict"] = kept

    def _loss(self, batch: dict[str, Any], optimizer: str) -> Tensor:
        assert self.objective is not None
        step = Step(self.current_epoch, steps_done(self.trainer), self._total, optimizer)
        terms = self.objective(self.network, batch, step)
        count = len(batch["index"])
        for name, value in terms.items():
            self.log(f"train/loss/{name}", value, batch_size=count, prog_bar=True)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss became {loss.item()} in epoch {self.current_epoch}; lower training.lr "
                "or set trainer.precision to 32-true"
            )
        if any(one.reduce_on_plateau for one in self.trainer.lr_scheduler_configs):
            self.log("train/loss", loss, batch_size=count, on_step=False, on_epoch=True)
        return loss

    def _open(self, loaders: Any) -> None:
        """The scores of each data set that will be evaluated."""
        if isinstance(loaders, Mapping):
            loaders = list(loaders.values())
        elif not isinstance(loaders, Sequence):
            loaders = [loaders]
        datasets = [loader.dataset for loader in loaders]
        names = [getattr(dataset, "name", "") for dataset in datasets]
        names = [
            name if name and names.count(name) == 1 else str(k) for k, name in enumerate(names)
        ]
        with self.trainer.precision_plugin.forward_context():
            self.scores = [
                Scores(name, dataset, self.methods, self.scorer, self.task, self.device)
                for name, dataset in zip(names, datasets, strict=True)
            ]

    def _log_means(self, stage: str) -> None:
        for scores in self.scores:
            place = f"{stage}/{scores.name}" if len(self.scores) > 1 else stage
            for name, mean in scores.means().items():
                self.log(f"{place}/{name}", mean, prog_bar=name in scores.shown)

    def _plain(self) -> dict[str, Any]:
        """The arguments that make this module again, as plain values; not a nameless network."""
        network, metrics = self.network, self.scorer.fusion.metrics
        named = {"network": network.name, "options": network.kept_options} if network.name else {}
        return {
            **named,
            "objective": self.wanted_objective,
            "training": asdict(self.training_settings),
            "ttd": [asdict(one) for one in self.methods.ttd.values()],
            "metrics": [f"{one.name}:{one.convention_name}" for one in metrics],
            "task": self.task,
            "colour": self.methods.colour,
            "stretch": self.methods.stretch,
            "fusionlab": fusionlab.__version__,
        }


def _network(
    network: FusionNetwork | str, options: Mapping[str, Any] | None, checkpoint: str | Path | None
) -> FusionNetwork:
    if isinstance(network, str):
        return create_network(network, checkpoint, **(options or {}))
    if checkpoint is not None or (options is not None and dict(options) != network.options):
        raise InputError("options and checkpoint are those of a network given by name")
    return network


def _settings(ttd: TTD | str | Sequence[TTD | str | Mapping[str, Any]]) -> list[TTD]:
    given = [ttd] if isinstance(ttd, TTD | str) else ttd
    return [
        one if isinstance(one, TTD) else TTD(one) if isinstance(one, str) else TTD(**one)
        for one in given
    ]


def _on_cpu(picture: Picture) -> Picture:
    tensors: dict[str, Any] = {
        name: one.cpu() for name, one in vars(picture).items() if isinstance(one, Tensor)
    }
    return replace(picture, **tensors)
