"""Measures settings of TTD with several weights, keeping the values of every image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusionlab.data.dataset import FolderDataset, FusionDataset
from fusionlab.errors import InputError
from fusionlab.laboratory.conditions import PartialDataset
from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.sweep import STATIC, Scorer, sweep
from fusionlab.laboratory.times import TIMES, times
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.report.rows import RowFile
from fusionlab.settings import TTD

KEY = ("weights", "data", "id", "setting")
REPEATS = 5  # of a time


class Weights(NamedTuple):
    """A checkpoint of IFCNN."""

    name: str
    address: str
    """File, or ``bundled``."""

    def network(self, dataset: FusionDataset) -> FusionNetwork:
        """The network; given weights see colours normalised, as the authors' program does."""
        normalized = self.address != BUNDLED and dataset.colour == "rgb"
        options = {"normalize": "imagenet"} if normalized else {}
        return create_network("ifcnn", self.address, **options)


class Measured(NamedTuple):
    """What one checkpoint does on one data set."""

    weights: str
    rule: str
    """Its static rule."""
    outcome: Outcome
    """Its condition is the name of the weights."""


class Measurement:
    """Measures; values of images that the folder has are not computed again.

    Args:
        folder: Where they are kept; made if there is none.

    Raises:
        InputError: If the folder cannot be made, or its files are of another program.
    """

    def __init__(self, folder: Path) -> None:
        self.scorer = Scorer(open_metrics("ttd"), stretch=False)
        truth = {one.name for one in self.scorer.truth}
        self.measures = [
            Measure(name, one.higher_is_better, name in truth)
            for name, one in self.scorer.by_name.items()
        ]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            raise InputError(f"cannot make {folder} ({reason.strerror}); set --values") from None
        self.scores = RowFile(folder / "per_image.csv", KEY, [one.name for one in self.measures])
        self.times = RowFile(folder / "times.csv", KEY, [one.name for one in TIMES])
        self.kept = len(self.scores.keys())

    def score(
        self, weights: Weights, dataset: FusionDataset, settings: Mapping[str, TTD]
    ) -> Measured:
        """Every setting on every image, by the metrics."""
        network = weights.network(dataset)
        place = _place(weights, network, dataset)
        for row in sweep(network, dataset, settings, self.scorer, done=_done(self.scores, place)):
            self.scores.append((*place, row.id, row.setting), row.values)
        return _gathered(self.scores, place, weights, network, dataset, settings, self.measures)

    def time(
        self, weights: Weights, dataset: FusionDataset, settings: Mapping[str, TTD]
    ) -> Measured:
        """The time of every setting on every image, as ratio to the static network's."""
        network = weights.network(dataset)
        place = _place(weights, network, dataset)
        for row in times(network, dataset, settings, REPEATS, done=_done(self.times, place)):
            self.times.append((*place, row.id, row.setting), row.values)
        return _gathered(self.times, place, weights, network, dataset, settings, TIMES)


def first(dataset: FusionDataset, count: int | None) -> FusionDataset:
    """The first samples by name; all for None."""
    if count is None or count >= len(dataset):
        return dataset
    return PartialDataset(dataset, range(count))


def digest(dataset: FusionDataset) -> str:
    """SHA-256 of the sources' files in order; of built-in scenes, of their levels."""
    sha = hashlib.sha256()
    whole = dataset.whole if isinstance(dataset, PartialDataset) else dataset
    for id_ in dataset.ids:
        index = whole.ids.index(id_)
        if isinstance(whole, FolderDataset):
            for path in whole.listing.samples[index].sources.values():
                sha.update(path.read_bytes())
        else:
            for image in whole.images(index)[0]:
                sha.update(image.mul(255).round().byte().numpy().tobytes())
    return sha.hexdigest()


def _place(weights: Weights, network: FusionNetwork, dataset: FusionDataset) -> tuple[str, str]:
    """Name and content of weights and data: other files never take these values."""
    assert network.checkpoint is not None
    own = f"{weights.name} {network.checkpoint['sha256'][:8]}"
    whole = dataset.whole if isinstance(dataset, PartialDataset) else dataset
    return own, f"{whole.name} {digest(whole)[:8]}"


def _done(rows: RowFile, place: tuple[str, str]) -> set[tuple[str, str]]:
    return {(key[2], key[3]) for key in rows.keys() if key[:2] == place}  # noqa: SIM118


def _gathered(
    rows: RowFile,
    place: tuple[str, str],
    weights: Weights,
    network: FusionNetwork,
    dataset: FusionDataset,
    settings: Mapping[str, TTD],
    measures: Sequence[Measure],
) -> Measured:
    found = rows.values()
    values = {
        label: np.array([found[place[0], place[1], id_, label] for id_ in dataset.ids])
        for label in (STATIC, *settings)
    }
    outcome = Outcome(
        dataset.name, dataset.task, weights.name, "", 0.0, 1, dataset.ids, measures, values
    )
    return Measured(weights.name, str(network.options["rule"]), outcome)
