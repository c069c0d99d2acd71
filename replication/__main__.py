"""Measure what the TTD paper publishes on the data and weights at hand, and write the page.

python -m fusionlab.laboratory.replication --data MRI-CT=DIR --weights IFCNN-MAX=FILE
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from fusionlab.data.dataset import SceneDataset
from fusionlab.errors import InputError
from fusionlab.laboratory.replication.page import page
from fusionlab.laboratory.replication.program import PROGRAM, replicate
from fusionlab.laboratory.replication.published import load_published
from fusionlab.networks import IFCNN
from fusionlab.report.images import write_whole

REFERENCED = ("mef", "mff")  # built-in scenes that have a ground truth


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
        help="folder that keeps values per image, which are not computed again while weights, "
        "data and the setting's definition stay the same (%(default)s)",
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
