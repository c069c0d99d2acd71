"""Measure what the TTD paper publishes, and write it beside the paper's figures on one page.

python -m replication --data MRI-CT=DIR TNO=DIR --weights IFCNN-MAX=FILE -o docs/replication.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fusionlab.data.dataset import FusionDataset
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.conditions import first_samples
from fusionlab.evaluation.opening import check_data
from fusionlab.settings import Data
from replication.ending import ending_in_one_line
from replication.experiments import Weights, experiments
from replication.measuring import measure_all
from replication.page import Inputs, write_page
from replication.published import load_published

PROGRAM = "python -m replication"


def new_parser() -> argparse.ArgumentParser:
    """The parser; its mistakes are one line, without usage."""
    parser = argparse.ArgumentParser(PROGRAM, argparse.SUPPRESS, __doc__, allow_abbrev=False)
    known = ", ".join(load_published().data)
    parser.add_argument(
        "--data", nargs="+", type=_pair, required=True, metavar="NAME=DIR", help=f"of {known}"
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        type=_pair,
        required=True,
        metavar="NAME=FILE",
        help="checkpoints of IFCNN; FILE may be bundled, the one that the package carries",
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="COUNT",
        help="use only the first images of each data set, by name; the page says so",
    )
    parser.add_argument(
        "--values",
        default="runs/replication",
        metavar="DIR",
        help="folder of the run folders, which an interrupted run fills (%(default)s)",
    )
    parser.add_argument("-o", "--output", default="docs/replication.md", metavar="PAGE.md")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``python -m replication``."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = new_parser()
    options = parser.parse_args(arguments)
    with ending_in_one_line(parser):
        _replicate(options, command_line(arguments))
    print(options.output)


def command_line(arguments: Sequence[str]) -> str:
    """The command as it was typed, an option a line; of absolute paths only the last part."""
    shown = []
    for argument in arguments:
        name, equals, path = argument.rpartition("=")
        shown.append(f"{name}{equals}{Path(path).name if Path(path).is_absolute() else path}")
    return " ".join([PROGRAM, *shown]).replace(" -", " \\\n    -").replace(" \\\n    -m", " -m")


def _replicate(options: argparse.Namespace, command: str) -> None:
    folders, files = _named("data", options.data), _named("weights", options.weights)
    output = Path(options.output)
    if not output.parent.is_dir():
        raise InputError(f"no folder {output.parent} for the page; make it, or set --output")
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit must be at least 1, got {options.limit}")
    whole = [_open(name, folder) for name, folder in folders.items()]
    check_data(whole)
    data = [first_samples(one, options.limit) for one in whole]
    weights = [Weights(name, address) for name, address in files.items()]
    measured = measure_all(experiments(weights, data), Path(options.values))
    at_hand = {one.name: len(one) for one in whole}
    write_page(measured, Inputs(command, weights, data, at_hand), output)


def _open(name: str, folder: str) -> FusionDataset:
    published = load_published()
    if name not in published.data:
        known = ", ".join(published.data)
        raise InputError(f"no published figures for {name}; --data may name {known}")
    (dataset,) = open_data(Data(root=folder, task=published.data[name].task))
    dataset.name = name
    return dataset


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


def _named(option: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError(f"--{option} names one twice; take one out")
    return found


if __name__ == "__main__":
    main()
