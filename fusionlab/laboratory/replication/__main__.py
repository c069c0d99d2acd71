"""Measure what the TTD paper publishes on the data and weights at hand, and write the page.

python -m fusionlab.laboratory.replication --data MRI-CT=DIR --weights IFCNN-MAX=FILE
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from fusionlab.data.dataset import FolderDataset, FusionDataset, SceneDataset, open_folder
from fusionlab.errors import InputError
from fusionlab.laboratory.replication.measure import Measured, Measurement, Weights, digest, first
from fusionlab.laboratory.replication.page import Results, page
from fusionlab.laboratory.replication.published import load_published
from fusionlab.laboratory.replication.settings import SETTINGS, TIMED
from fusionlab.metrics import FusionMetrics
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.notes import note
from fusionlab.programs.inputs import check_datasets
from fusionlab.programs.provenance import provenance
from fusionlab.report.images import write_whole
from fusionlab.settings import Data

PROGRAM = "python -m fusionlab.laboratory.replication"
REFERENCED = ("mef", "mff")  # built-in scenes that have a ground truth
TIMED_IMAGES = 3  # of the first data set


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake without a usage block."""
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        raise SystemExit(2)


def new_parser() -> Parser:
    """The parser."""
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    known = ", ".join(load_published().data)
    parser.add_argument(
        "--data", nargs="+", type=_pair, required=True, metavar="NAME=DIR", help=f"of {known}"
    )
    parser.add_argument(
        "--weights", nargs="+", type=_pair, required=True, metavar="NAME=FILE", help="of IFCNN"
    )
    parser.add_argument(
        "--limit",
        nargs="+",
        type=_pair,
        default=[],
        metavar="NAME=COUNT",
        help="use the first images of a data set alone; the page says so",
    )
    parser.add_argument(
        "--values",
        default="runs/replication",
        metavar="DIR",
        help="folder that keeps values per image, which are not computed again (%(default)s)",
    )
    parser.add_argument("-o", "--output", default="docs/replication.md", metavar="PAGE.md")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``python -m fusionlab.laboratory.replication``."""
    parser = new_parser()
    arguments = parser.parse_args(argv)
    try:
        folders, files = _mapping("data", arguments.data), _mapping("weights", arguments.weights)
        output = Path(arguments.output)
        if not output.parent.is_dir():
            raise InputError(f"no folder {output.parent} for the page; make it, or set --output")
        limits = _counts(_mapping("limit", arguments.limit), folders)
        scenes = [SceneDataset(task, _colour(task)) for task in REFERENCED]
        results = replicate(folders, files, limits, scenes, Path(arguments.values))
        write_whole(output, page(load_published(), results).encode())
    except InputError as mistake:
        parser.error(str(mistake))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    print(arguments.output)


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
    kept = measurement.kept
    timed = {name: SETTINGS[name] for name in TIMED}

    def scored(one: Weights, dataset: FusionDataset) -> Measured:
        note(f"{one.name} on {dataset.name}, {len(dataset)} images")
        return measurement.score(one, dataset, SETTINGS)

    return Results(
        command=command(folders, files, limits),
        settings=SETTINGS,
        truth=[scored(one, scene) for one in (*weights, own) for scene in scenes],
        data=[scored(one, dataset) for one in weights for dataset in data],
        times=[measurement.time(one, first(data[0], TIMED_IMAGES), timed) for one in weights],
        at_hand={name: len(one) for name, one in whole.items()},
        data_hashes={one.name: digest(one) for one in data},
        weight_hashes=hashes,
        provenance=provenance(),
        kept=kept,
    )


def command(folders: Mapping[str, str], files: Mapping[str, str], limits: Mapping[str, int]) -> str:
    """What made the page, with names in place of paths."""
    data = " ".join(f"{name}=DIR" for name in folders)
    weights = " ".join(f"{name}=FILE" for name in files)
    limit = " ".join(f"{name}={count}" for name, count in limits.items())
    lines = [PROGRAM, f"--data {data}", f"--weights {weights}"]
    return " \\\n    ".join([*lines, f"--limit {limit}"] if limit else lines)


def _open(name: str, folder: str) -> FolderDataset:
    known = load_published().data
    if name not in known:
        raise InputError(f"no published figures for {name}; there are {', '.join(known)}")
    task = known[name].task
    dataset = open_folder(Data(root=folder, task=task), IFCNN.rgb_tasks, IFCNN.channels)
    dataset.name = name
    return dataset


def _colour(task: str) -> str:
    return "rgb" if task in IFCNN.rgb_tasks else "luma"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


def _mapping(option: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError(f"--{option} names one twice; take one out")
    return found


def _counts(limits: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, int]:
    for name, count in limits.items():
        if name not in folders:
            raise InputError(f"--limit has {name}, which --data has not; add it there")
        if not count.isdecimal() or int(count) < 1:
            raise InputError(f"--limit {name} must be at least 1, got {count}")
    return {name: int(count) for name, count in limits.items()}


if __name__ == "__main__":
    main()
