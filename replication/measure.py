"""Measures settings of TTD with several weights, keeping the values of every image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.laboratory.conditions import PartialDataset, with_parameter_noise
from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.replication.places import (
    KEY,
    NOISE_KEY,
    RD_KEY,
    Weights,
    at_settings,
    place,
    setting_places,
)
from fusionlab.laboratory.replication.settings import default_label
from fusionlab.laboratory.sweep import STATIC, Row, Scorer, sweep
from fusionlab.laboratory.times import TIMES, times
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork
from fusionlab.report.rows import RowFile
from fusionlab.settings import TTD

REPEATS = 5  # of a time


class Measured(NamedTuple):
    """What one checkpoint does on one data set."""

    network: str
    weights: str
    rule: str
    """Its static rule; empty if the network has no choice of it."""
    default: str
    """Label of the package's default setting for that rule."""
    outcome: Outcome
    """Its level is that of the noise on the parameters."""


class Measurement:
    """Measures; values of images that the folder has are not computed again.

    ``kept`` counts the rows of these values that were used so far.

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
        names = [one.name for one in self.measures]
        self.scores = RowFile(folder / "per_image.csv", KEY, names)
        self.noise = RowFile(folder / "noise.csv", NOISE_KEY, names)
        self.times = RowFile(folder / "times.csv", KEY, [one.name for one in TIMES])
        self.dominability = RowFile(folder / "dominability.csv", RD_KEY, ("before", "after"))
        self.kept = 0

    def score(
        self, weights: Weights, dataset: FusionDataset, settings: Mapping[str, TTD]
    ) -> Measured:
        """Every setting on every image, by the metrics."""
        network = weights.network(dataset)
        key = place(weights, network, dataset)
        done = self._done(self.scores, key, dataset.ids, settings)
        found = sweep(network, dataset, settings, self.scorer, done=done)
        _append(self.scores, key, settings, found)
        values = _arrays(self.scores, key, dataset.ids, settings)
        return _measured(weights, network, dataset, self.measures, values, 0.0)

    def score_noisy(
        self, weights: Weights, dataset: FusionDataset, settings: Mapping[str, TTD], level: float
    ) -> Measured:
        """The same with noise on the parameters (the paper's Table 8).

        Every image has its own draw of the noise, so that intervals over the images hold both.

        Args:
            weights: Of the network that gets the noise.
            dataset: The images.
            settings: TTD settings by label.
            level: See :func:`~fusionlab.laboratory.conditions.with_parameter_noise`.
        """
        network = weights.network(dataset)
        key = (*place(weights, network, dataset), f"{level:g}")
        done = self._done(self.noise, key, dataset.ids, settings)
        for index in range(len(dataset)):
            image = PartialDataset(dataset, [index])
            noisy = with_parameter_noise(network, level, seed=index)
            found = sweep(noisy, image, settings, self.scorer, done=done)
            _append(self.noise, key, settings, found)
        values = _arrays(self.noise, key, dataset.ids, settings)
        return _measured(weights, network, dataset, self.measures, values, level)

    def time(
        self, weights: Weights, dataset: FusionDataset, settings: Mapping[str, TTD]
    ) -> Measured:
        """The time of every setting on every image, as ratio to the static network's."""
        network = weights.network(dataset)
        key = place(weights, network, dataset)
        done = self._done(self.times, key, dataset.ids, settings)
        found = times(network, dataset, settings, REPEATS, done=done)
        _append(self.times, key, settings, found)
        values = _arrays(self.times, key, dataset.ids, settings)
        return _measured(weights, network, dataset, TIMES, values, 0.0)

    def _done(
        self, rows: RowFile, key: tuple[str, ...], ids: Sequence[str], settings: Mapping[str, TTD]
    ) -> set[tuple[str, str]]:
        """Ids and labels whose values are there already; they are counted."""
        done = set(at_settings(rows, key, ids, settings))
        self.kept += len(done)
        return done


def _append(
    rows: RowFile, key: tuple[str, ...], settings: Mapping[str, TTD], found: Iterable[Row]
) -> None:
    """Bring each row to disk as it comes."""
    kept_as = setting_places(settings)
    for row in found:
        rows.append((*key, row.id, kept_as[row.setting]), row.values)


def _arrays(
    rows: RowFile, key: tuple[str, ...], ids: Sequence[str], settings: Mapping[str, TTD]
) -> dict[str, np.ndarray]:
    found = at_settings(rows, key, ids, settings)
    return {label: np.array([found[id_, label] for id_ in ids]) for label in (STATIC, *settings)}


def _measured(
    weights: Weights,
    network: FusionNetwork,
    dataset: FusionDataset,
    measures: Sequence[Measure],
    values: dict[str, np.ndarray],
    level: float,
) -> Measured:
    kind = "noise" if level else ""
    about = (dataset.name, dataset.task, weights.name, kind, level, 1, dataset.ids)
    rule = str(network.options.get("rule", ""))
    outcome = Outcome(*about, measures, values)
    return Measured(network.name, weights.name, rule, default_label(network.takes_largest), outcome)
