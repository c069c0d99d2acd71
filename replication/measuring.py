"""Experiments, measured on the bench; a run folder of each keeps its rows, so that it resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionlab.console import ProgressBar
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.program import check_same, describe, finish
from fusionlab.runs.files import write_json
from fusionlab.runs.folder import file_stem, make
from fusionlab.runs.run import SUMMARY, Run, Sample
from fusionlab.runs.statistics import Comparison
from fusionlab.runs.summary import values_of
from replication.experiments import Experiment, with_ttd


@dataclass(frozen=True)
class Measured:
    """One experiment and its finished run."""

    experiment: Experiment
    run: Run

    @property
    def weights(self) -> str:
        """Name of the checkpoint."""
        return self.experiment.weights.name

    @property
    def data(self) -> str:
        """Name of the data set."""
        return self.experiment.dataset.name

    @property
    def images(self) -> int:
        """Number of images under its first condition."""
        return int(self.run.about["results"][0]["images"])

    def difference(self, label: str, metric: str, condition: str = "") -> Comparison:
        """A setting of TTD minus the static network, image by image."""
        method = with_ttd(self.weights, label)
        found = self._result(condition)["differences"][method][metric]
        numbers: dict[str, Any] = {
            key: np.nan if one is None else one for key, one in found.items()
        }
        return Comparison(**numbers)

    def static_mean(self, metric: str, condition: str = "") -> float | None:
        """Mean of a metric with the static network; None if it is not defined."""
        return self._result(condition)["means"][self.weights][metric]

    def values(self, label: str, metric: str) -> np.ndarray:
        """A metric of every image, (N,)."""
        ids = self._result("")["ids"]
        return values_of(self.run.samples, ids, with_ttd(self.weights, label), metric)

    def rd(self, label: str, source: str, condition: str) -> np.ndarray:
        """Mean RD of a source in every image, (N,)."""
        samples = [one for one in self.run.samples if one.condition == condition]
        method = with_ttd(self.weights, label)
        return np.array([one.rd[method][source]["mean"] for one in samples])

    def time_ratios(self, label: str) -> np.ndarray:
        """Time with TTD over time without, of every image, (N,)."""

        def ratio(one: Sample) -> float:
            times = one.milliseconds
            return times[with_ttd(self.weights, label)] / times[self.weights]

        return np.array([ratio(one) for one in self.run.samples])

    def _result(self, condition: str) -> dict[str, Any]:
        results = self.run.about["results"]
        return next(one for one in results if one["condition"] == condition)


def measure_all(plan: Sequence[Experiment], values: Path) -> list[Measured]:
    """Measure every experiment; what its folder has already is not computed again.

    Args:
        plan: The experiments.
        values: Folder below which each has a run folder, by checkpoint, data and claim.

    Raises:
        InputError: If something cannot be used, or a folder was made with other weights or images;
            nothing has been computed then.
    """
    benches = [one.bench() for one in plan]
    places = ((one.weights.name, one.dataset.name, one.claim) for one in plan)
    folders = [values.joinpath(*map(file_stem, place)) for place in places]
    for bench in benches:
        bench.check()
    done = [_done(bench, folder) for bench, folder in zip(benches, folders, strict=True)]
    total = sum(len(condition.dataset) for bench in benches for condition in bench.conditions)
    count = sum(len(found) for one in done for found in one.values())
    with ProgressBar("Replicating", total, "images", count) as bar:
        runs = [_measured(*one, bar) for one in zip(benches, folders, done, strict=True)]
    return [Measured(one, run) for one, run in zip(plan, runs, strict=True)]


Done = dict[tuple[str, str], set[int]]


def _done(bench: Bench, folder: Path) -> Done:
    """Samples that the run of a folder has, by data set and condition."""
    if not (folder / SUMMARY).exists():
        return {}
    return bench.done(check_same(folder, describe(bench, {}, "replicate")))


def measured_run(bench: Bench, folder: Path) -> Run:
    """The finished run of one bench; what its folder has already is not computed again.

    Raises:
        InputError: If something cannot be used, or the folder holds other weights or images.
    """
    bench.check()
    done = _done(bench, folder)
    total = sum(len(condition.dataset) for condition in bench.conditions)
    with ProgressBar("Measuring", total, "images", sum(map(len, done.values()))) as bar:
        return _measured(bench, folder, done, bar)


def _measured(bench: Bench, folder: Path, done: Done, bar: ProgressBar) -> Run:
    """The finished run of a folder."""
    places = {(one.dataset.name, one.name): len(one.dataset) for one in bench.conditions}
    is_complete = all(len(done.get(place, ())) == count for place, count in places.items())
    if not is_complete or not Run.open(folder).finished:
        about = describe(bench, {}, "replicate")
        make(folder)
        write_json(folder / SUMMARY, about)
        for images, _ in measure(bench, folder, done):
            bar.advance(images)
        finish(folder, about)
    return Run.open(folder)
