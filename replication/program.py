"""Opens data and weights, and has everything measured that the page says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fusionlab.data.dataset import FolderDataset, FusionDataset, open_folder
from fusionlab.errors import InputError
from fusionlab.laboratory.replication.dominability import Probed, probe
from fusionlab.laboratory.replication.measure import Measured, Measurement
from fusionlab.laboratory.replication.places import Weights, digest, first
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.replication.settings import PROBED, SETTINGS, TIMED, default_label
from fusionlab.metrics import FusionMetrics
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.notes import note
from fusionlab.programs.inputs import check_datasets
from fusionlab.programs.provenance import provenance
from fusionlab.settings import Data

PROGRAM = "python -m fusionlab.laboratory.replication"
TIMED_IMAGES = 3  # of the first data set in luma
UNTRAINED = (
    Weights("fresh CDDFuse", None, "cddfuse"),
    Weights("fresh PIAFusion", None, "piafusion"),
)
UNTRAINED_IMAGES = 2  # they are slow


def replicate(
    folders: Mapping[str, str],
    files: Mapping[str, str],
    limits: Mapping[str, int],
    scenes: Sequence[FusionDataset],
    values: Path,
) -> Results:
    """Measure all settings with all weights on all data sets; on scenes with our own weights too.

    Args:
        folders: Folders by the names of data sets.
        files: Checkpoints of IFCNN by name.
        limits: Numbers of images by data set; the others are used whole.
        scenes: Data with a ground truth.
        values: Folder that keeps the values.

    Raises:
        InputError: If something cannot be used.
    """
    whole = {name: _open(name, folder) for name, folder in folders.items()}
    if BUNDLED in files:
        raise InputError(f"--weights {BUNDLED} is the package's own; give yours another name")
    weights = [Weights(name, path) for name, path in files.items()]
    own = Weights(BUNDLED, BUNDLED)
    data = [first(one, limits.get(name)) for name, one in whole.items()]
    hashes = {one.name: one.network(data[0]).checkpoint["sha256"] for one in (*weights, own)}
    measurement = Measurement(values)
    check_datasets(list(whole.values()), FusionMetrics(measurement.scorer.metrics))

    def scored(one: Weights, dataset: FusionDataset) -> Measured:
        note(f"{one.name} on {dataset.name}, {len(dataset)} images")
        return measurement.score(one, dataset, SETTINGS)

    # in this order: kept rows are counted by what measures before
    return Results(
        command=command(folders, files, limits),
        settings=SETTINGS,
        probed=PROBED,
        truth=[scored(one, scene) for one in (*weights, own) for scene in scenes],
        data=[scored(one, dataset) for one in weights for dataset in data],
        noise=_noise(measurement, weights, data),
        times=_times(measurement, weights, data),
        dominability=_probed(measurement, weights, data),
        at_hand={name: len(one) for name, one in whole.items()},
        data_hashes={one.name: digest(one) for one in data},
        weight_hashes=hashes,
        provenance=provenance(),
        kept=measurement.kept,
    )


def command(folders: Mapping[str, str], files: Mapping[str, str], limits: Mapping[str, int]) -> str:
    """What made the page, with names in place of paths."""
    data = " ".join(f"{name}=DIR" for name in folders)
    weights = " ".join(f"{name}=FILE" for name in files)
    limit = " ".join(f"{name}={count}" for name, count in limits.items())
    lines = [PROGRAM, f"--data {data}", f"--weights {weights}"]
    return " \\\n    ".join([*lines, f"--limit {limit}"] if limit else lines)


def _noise(
    measurement: Measurement, weights: Sequence[Weights], data: Sequence[FusionDataset]
) -> list[Measured]:
    """The preset paper and the default at the levels of Table 8; level 0 is measured already."""
    published, found = load_published(), []
    for one in weights:
        for dataset in data:
            if "8" not in published.data[dataset.name].tables:
                continue
            default = default_label(one.network(dataset).takes_largest)
            settings = {label: SETTINGS[label] for label in ("paper", default)}
            for level in filter(None, published.noise):
                note(f"{one.name} with noise {level:g} on {dataset.name}, {len(dataset)} images")
                found.append(measurement.score_noisy(one, dataset, settings, level))
    return found


def _times(
    measurement: Measurement, weights: Sequence[Weights], data: Sequence[FusionDataset]
) -> list[Measured]:
    """All settings whose time is taken with IFCNN; the preset paper with untrained networks."""
    in_luma = [one for one in data if one.colour == "luma"]
    dataset = (in_luma or data)[0]
    settings = {label: SETTINGS[label] for label in TIMED}
    images = first(dataset, TIMED_IMAGES)
    found = [measurement.time(one, images, settings) for one in weights]
    for one in UNTRAINED if in_luma else ():
        note(f"time of {one.name} on {dataset.name}")
        image, paper = first(dataset, UNTRAINED_IMAGES), {"paper": SETTINGS["paper"]}
        found.append(measurement.time(one, image, paper))
    return found


def _probed(
    measurement: Measurement, weights: Sequence[Weights], data: Sequence[FusionDataset]
) -> list[Probed]:
    """RD on infrared-visible data."""
    found = []
    for one in weights:
        for dataset in data:
            if dataset.task == "vif":
                note(f"RD of {one.name} on {dataset.name}, {len(dataset)} images")
                found.append(probe(measurement, one, dataset, PROBED))
    return found


def _open(name: str, folder: str) -> FolderDataset:
    known = load_published().data
    if name not in known:
        raise InputError(f"no published figures for {name}; there are {', '.join(known)}")
    task = known[name].task
    dataset = open_folder(Data(root=folder, task=task), IFCNN.rgb_tasks, IFCNN.channels)
    dataset.name = name
    return dataset
