"""How a network, or what an objective trains, scores on one data set while Lightning runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset

from fusionlab.errors import InputError
from fusionlab.evaluation.methods import NetworkMethods
from fusionlab.evaluation.scoring import Scorer
from fusionlab.fusing import Picture
from fusionlab.losses import Objective
from fusionlab.metrics.base import working_dtype
from fusionlab.metrics.per_image import PerImageValues
from fusionlab.networks import FusionNetwork


class Scores:
    """The methods of a network on one data set; TTD is calibrated on it.

    Args:
        name: What the data set is called in the log.
        dataset: The data set.
        methods: The network, perhaps with settings of TTD.
        scorer: The metrics.
        task: Task of a data set that states none.
        device: Where the values of all processes meet.

    Raises:
        InputError: If the task is not known.
    """

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        methods: NetworkMethods,
        scorer: Scorer,
        task: str | None,
        device: torch.device,
    ) -> None:
        task = getattr(dataset, "task", task)
        if task is None:
            raise InputError("the data set does not state its task; give FusionModule a task")
        self.name, self.scorer = name, scorer
        self.shown = frozenset(scorer.truth.names if scorer.truth else ())  # in the progress bar
        self.fuser = methods.fuser(task)
        self.ttd = {
            method: self.fuser.calibrate(dataset, one)  # type: ignore[arg-type]
            for method, one in methods.ttd.items()
        }
        self.values = {
            method: PerImageValues(list(scorer.metrics)).to(device) for method in methods.names
        }

    def fuse(self, batch: dict[str, Any]) -> Iterator[tuple[str, list[Picture]]]:
        """The pictures of a batch by method, the static ones first; it is encoded once."""
        found = self.fuser.fuse_batch(batch, [None, *self.ttd.values()])
        yield from zip(self.values, found, strict=True)

    def update(self, batch: dict[str, Any]) -> None:
        """Fuse and score a batch."""
        device = batch["grey"].device
        for method, pictures in self.fuse(batch):
            rows = [
                self.scorer.values(
                    picture.grey,
                    batch["grey"][k],
                    batch["reference"][k] if "reference" in batch else None,
                )
                for k, picture in enumerate(pictures)
            ]
            kept = torch.tensor(rows, dtype=working_dtype(device), device=device)
            self.values[method].update(kept, batch.get("index"))

    def means(self) -> dict[str, float]:
        """The mean of each metric over the images of all processes; with TTD as ``ttd/<metric>``.

        Those against a ground truth lack where no sample has one.
        """
        static = next(iter(self.values))
        found = {}
        for method, values in self.values.items():
            suffix = method.removeprefix(static).replace("+TTD", "ttd", 1)
            for name, mean in values.compute().items():
                if name not in self.shown or not mean.isnan():
                    found[f"{suffix}/{name}" if suffix else name] = float(mean)
        return found


class ObjectiveScores:
    """The values by which an objective judges what it trains.

    Args:
        objective: One that ``validates``.
        network: The network.
        device: Where the values of all processes meet.
    """

    def __init__(self, objective: Objective, network: FusionNetwork, device: torch.device) -> None:
        self.name, self.shown = objective.name, frozenset(objective.validates)
        self.objective, self.network = objective, network
        self.metric = objective.metric()
        if self.metric is not None:
            self.metric = self.metric.to(device)
        self.values = PerImageValues(objective.validates).to(device)

    def update(self, batch: dict[str, Any]) -> None:
        """Judge a batch."""
        if self.metric is not None:
            self.objective.observe(self.network, batch, self.metric)
            return
        values = self.objective.validate(self.network, batch)
        columns = [values[name] for name in self.objective.validates]
        self.values.update(torch.stack(columns, dim=1), batch["index"])

    def means(self) -> dict[str, float]:
        """The mean of each value over the items of all processes, or those of the metric."""
        if self.metric is not None:
            return self.objective.values(self.metric)
        return {name: float(mean) for name, mean in self.values.compute().items()}
