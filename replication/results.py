"""Measure every network of the tables on real data, and write docs/results.md.

python -m replication.results --data TNO=DIR Savic=DIR --weights DIR -o docs/results.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fusionlab.cli.arguments import config_folder
from fusionlab.console import note
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions, first_samples
from fusionlab.evaluation.methods import NetworkMethods
from fusionlab.evaluation.opening import open_given
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.runs.files import write_atomic
from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import Run
from fusionlab.settings import TTD, Conditions, Data, Method
from replication.ending import ending_in_one_line
from replication.measuring import measured_run
from replication.results_page import Results, results_page

PROGRAM = "python -m replication.results"


def new_parser() -> argparse.ArgumentParser:
    """The parser; its mistakes are one line, without usage."""
    parser = argparse.ArgumentParser(PROGRAM, argparse.SUPPRESS, __doc__, allow_abbrev=False)
    parser.add_argument(
        "--data",
        nargs="+",
        type=_pair,
        required=True,
        metavar="NAME=DIR",
        help=f"of {', '.join(known()['data'])}",
    )
    parser.add_argument(
        "--weights", nargs="+", required=True, metavar="DIR", help="folders of checkpoints"
    )
    parser.add_argument(
        "--limit", type=int, metavar="COUNT", help="only the first images of each data set"
    )
    parser.add_argument(
        "--few",
        nargs="+",
        type=_pair,
        default=[],
        metavar="NETWORK=COUNT",
        help="still fewer images for slow networks, which come last and are not ranked; 0 for none",
    )
    parser.add_argument(
        "--values",
        default="runs/results",
        metavar="DIR",
        help="folder of the run folders, which an interrupted run fills (%(default)s)",
    )
    parser.add_argument(
        "--written", action="store_true", help="write the page of what is measured, measure nothing"
    )
    parser.add_argument("-o", "--output", default="docs/results.md", metavar="PAGE.md")
    return parser


@dataclass(frozen=True)
class Part:
    """One network on one data set: what one run folder holds."""

    bench: Bench
    folder: Path
    is_slow: bool

    @property
    def images(self) -> int:
        """Samples that it fuses."""
        return len(self.bench.datasets[0])


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``python -m replication.results``."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = new_parser()
    options = parser.parse_args(arguments)
    with ending_in_one_line(parser):
        page = _measured_page(options, arguments)
    write_atomic(Path(options.output), page.encode())
    print(options.output)


@cache
def known() -> dict[str, Any]:
    """The data sets, with what is published of them."""
    path = Path(__file__).with_name("results.yaml")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _measured_page(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    few = {name: _count(f"--few {name}", text) for name, text in options.few}
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit must be at least 1, got {options.limit}")
    data = [_open(name, folder) for name, folder in options.data]
    parts: dict[str, list[Part]] = {}
    for dataset in data:
        shown = first_samples(dataset, options.limit)
        own = parts_of(shown, options.weights, few, Path(options.values))
        parts[dataset.name] = list(own)
    if not options.written:
        every = [part for own in parts.values() for part in own]
        for number, part in enumerate(sorted(every, key=lambda one: one.is_slow), 1):
            note(f"{number} of {len(every)}: {part.folder}")
            measured_run(part.bench, part.folder)
    results = [Results(one.name, len(one), runs_of(parts[one.name])) for one in data]
    if not any(one.runs for one in results):
        raise InputError(f"nothing is measured in {options.values}; leave out --written")
    return results_page(results, known(), arguments, PROGRAM)


def parts_of(
    dataset: FusionDataset, weights: Sequence[str], few: Mapping[str, int], values: Path
) -> Iterator[Part]:
    """Every network of the table of a task, with its weights, to be measured by itself.

    Args:
        dataset: The samples.
        weights: Folders of checkpoints.
        few: Samples of slow networks, by the network's name.
        values: Folder of the run folders.
    """
    table = yaml.safe_load((config_folder() / "tables" / f"{dataset.task}.yaml").read_text())
    given = [Method(one) if isinstance(one, str) else Method(**one) for one in table["methods"]]
    for methods in open_given(given, [TTD()], [dataset], "auto", weights):
        count = few.get(methods.network.name)
        own = dataset if count is None else first_samples(dataset, min(count, len(dataset)))
        if count != 0:
            folder = values / file_stem(dataset.name) / file_stem(methods.name)
            yield Part(_bench(methods, own), folder, count is not None)


def runs_of(parts: Sequence[Part]) -> list[Run]:
    """The finished runs of parts."""
    folders = [one.folder for one in parts if (one.folder / "summary.json").is_file()]
    return [run for run in map(Run.open, folders) if run.finished]


def _bench(methods: NetworkMethods, dataset: FusionDataset) -> Bench:
    scorer = Scorer(open_metrics("ttd"), dataset.has_reference)
    bench = Bench([methods], [], [dataset], conditions(Conditions(), dataset), scorer)
    bench.pictures = False
    return bench


def _open(name: str, folder: str) -> FusionDataset:
    facts = known()["data"].get(name)
    if facts is None:
        raise InputError(f"--data may name {', '.join(known()['data'])}, got {name}")
    (dataset,) = open_data(Data(root=folder, name=facts.get("manifest"), task=facts["task"]))
    dataset.name = name
    return dataset


def _count(option: str, text: str) -> int:
    if not text.isdigit():
        raise InputError(f"{option} must be a number of images, got {text!r}")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


if __name__ == "__main__":
    main()
