"""Run an experiment on test-time dynamic fusion: configs/experiments holds those of the paper.

python -m fusionlab.laboratory configs/experiments/weight_forms.yaml --data.root DIR
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import NoReturn

from jsonargparse import Namespace

from fusionlab.cli import Parser, resumed_config
from fusionlab.errors import InputError
from fusionlab.laboratory.settings import Experiment
from fusionlab.settings import Data, Metrics, Network

PROGRAM = "python -m fusionlab.laboratory"
EXAMPLE = "configs/experiments/weight_forms.yaml"
EMPTY = "that config has neither settings nor grid"
FREE = ("data.workers", "device", "resume", "config")  # what a resumed run may change


class ExperimentParser(Parser):
    """Says in which program and in which words of a config the mistake is."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print one line; the parsers of list items, which jsonargparse makes, come here too."""
        self.prog, text = PROGRAM, str(message)
        if "Not a valid subclass" in text:
            text = "settings and corruption are lists of mappings, e.g. settings: [{preset: paper}]"
        elif "Unexpected config" in text:
            text = f"{EMPTY}; name one, e.g. {EXAMPLE}"
        super().error(text, ex)


def new_parser() -> Parser:
    """The parser: the groups of evaluate.py that apply, and what an experiment varies."""
    parser = ExperimentParser(
        prog=PROGRAM,
        description=__doc__,
        allow_abbrev=False,
        usage=f"{PROGRAM} EXPERIMENT.yaml [--group.option VALUE ...]",
    )
    parser.add_argument(
        "--config", action="config", help="The experiment; the first argument may name it too."
    )
    parser.add_class_arguments(Experiment)
    parser.add_class_arguments(Network, "network")
    parser.add_class_arguments(Data, "data")
    parser.add_class_arguments(Metrics, "metrics")
    parser.add_argument(
        "--device", type=str, default="auto", help="cpu, cuda, cuda:1, mps; auto: cuda, else cpu."
    )
    parser.add_argument(
        "--output", type=str, default="runs", help="Folder in which each run makes its own."
    )
    parser.add_argument(
        "--resume", type=str, help="Folder of an interrupted run that is to go on, with its config."
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse; import torch only then; run. Mistakes end in one line and code 2."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if argv and not argv[0].startswith("-"):
        argv.insert(0, "--config")
    parser = new_parser()
    parser.arguments = argv
    try:
        config = _parsed(parser, argv)
        settings = parser.instantiate(config)
        names = [one.name for one in fields(Experiment)]
        settings.experiment = Experiment(**{name: settings[name] for name in names})
        settings.experiment.labelled()
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    for key in ("resume", "config"):
        config.pop(key, None)  # the next run could not read it
    config.settings = [Namespace(**asdict(one)) for one in settings.settings]  # presets filled in
    text = parser.dump(config, skip_validation=True, skip_unset=False)
    from fusionlab.laboratory.program import run

    try:
        run(settings, text)
    except InputError as mistake:
        parser.error(str(mistake).rpartition("InputError: ")[2])  # after a worker's traceback
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _parsed(parser: Parser, argv: list[str]) -> Namespace:
    """The config; of a resumed run, its own.

    Raises:
        InputError: If a group is no mapping, no experiment is named, or a resumed run would change.
    """
    config = parser.parse_args(argv)
    if config.resume is not None:
        base = ["--config", str(resumed_config(config.resume, ()))]
        config = parser.parse_args([*base, *argv])
        _check_unchanged(parser.parse_args(base), config, config.resume)
    for group in ("network", "data", "metrics"):
        if not isinstance(config[group], Namespace):
            raise InputError(f"{group} must be a mapping of its options, got {config[group]}")
    if not config.settings and not config.grid:
        named = any(path.endswith((".yaml", ".yml")) for path in argv)
        raise InputError(f"{EMPTY if named else 'no experiment'}; name one, e.g. {EXAMPLE}")
    return config


def _check_unchanged(stored: Namespace, config: Namespace, folder: str) -> None:
    for key, value in vars(config.as_flat()).items():
        if key not in FREE and vars(stored.as_flat()).get(key) != value:
            raise InputError(f"{key} is not that of {Path(folder)}; leave it out or start anew")


if __name__ == "__main__":
    main()
