"""Evaluate fusion methods: networks, the same with test-time dynamic fusion, others' pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Optional, Union

from jsonargparse import Namespace

from fusionlab.cli.parser import (
    Parser,
    add_config,
    add_groups,
    add_switch,
    new_parser,
    run_command,
)
from fusionlab.settings import TTD, Conditions, Method, Tasks
from fusionlab.settings.checks import check_places
from fusionlab.settings.configs import check_evaluates_its_training

ONLY_HERE = (
    *("title", "methods", "ttd_settings", "ttd_by_task", "conditions", "fused", "allow_unmatched"),
    *("report", "theorem", "pictures", "baselines", "weights", "tasks", "shard", "cite"),
)


def parser() -> Parser:
    """The parser of ``fusionlab evaluate``."""
    made = new_parser("evaluate", __doc__, "[--config FILE] [--ttd] [--group.option VALUE ...]")
    add_config(made)
    made.add_argument("--title", type=str, default="", help="Head of the tables.")
    made.add_argument(
        "--methods",
        type=Optional[list[Union[str, Method]]],  # noqa: UP007, UP045 (jsonargparse needs it)
        default=None,
        metavar="METHOD ...",
        help="Networks to compare, in place of --network: NETWORK, NETWORK@CHECKPOINT or "
        "NAME=NETWORK@CHECKPOINT, several words or a list; in a list also mappings of network, "
        "checkpoint, options, stretch, name, colour.",
    )
    made.add_argument(
        "--weights",
        type=Optional[list[str]],  # noqa: UP045 (as above)
        default=None,
        metavar="DIR ...",
        help="Folders with checkpoints. A network without a checkpoint is evaluated once with each "
        "of its files there; the authors' files are recognised by their hash. Networks without a "
        "file, or that cannot take the data, are named and left out.",
    )
    made.add_argument(
        "--baselines",
        type=Optional[bool],  # noqa: UP045 (as above)
        default=None,
        nargs="?",
        const=True,
        help="Show one or two classical methods beside the network. Default: where one network is "
        "evaluated, without conditions.",
    )
    add_groups(made)
    made.add_argument(
        "--ttd_settings",
        type=list[TTD],
        default=[],
        help="Several settings of TTD, a list of mappings of the options of --ttd, in its place.",
    )
    made.add_argument(
        "--ttd_by_task",
        type=Optional[bool],  # noqa: UP045 (as above)
        default=None,
        nargs="?",
        const=True,
        help="On multi-focus data, evaluate the preset structure beside --ttd: it improved "
        "pictures there in tests on other data. Default: for your own data, where --ttd has no "
        "options and there are no conditions.",
    )
    made.add_class_arguments(Conditions, "conditions")
    made.add_class_arguments(Tasks, "tasks")
    made.add_argument(
        "--fused",
        type=Optional[list[str]],  # noqa: UP045 (as above)
        default=None,
        metavar="DIR ...",
        help="Score the pictures in these folders too, one folder per method, made by any tool; "
        "alone, or beside --methods or --network.",
    )
    add_switch(
        made,
        "--allow_unmatched",
        "Leave out samples that lack a source or a fused picture, and pictures without a sample.",
    )
    add_switch(made, "--report", "Write an HTML report: pictures, maps, tables, plots.", True)
    add_switch(
        made,
        "--theorem",
        "With TTD, measure the paper's theorem on every image: covariance of RD and losses, "
        "bounds of Eq. 4, Eq. 5.",
    )
    made.add_argument(
        "--pictures",
        type=Optional[bool],  # noqa: UP045 (as above)
        default=None,
        nargs="?",
        const=True,
        help="Write the fused pictures, RD and, of networks that decompose, common and unique "
        "images. Default: unless there are conditions or more than "
        "8 methods.",
    )
    add_switch(
        made, "--cite", "Print the papers of the networks, data, metrics and TTD that were run."
    )
    made.add_argument(
        "--shard",
        type=Optional[str],  # noqa: UP045 (as above)
        default=None,
        metavar="I/N",
        help="Measure only every N-th batch from the I-th on, so that N jobs share a data set; "
        "fusionlab merge joins their folders.",
    )
    made.add_argument(
        "--resume", type=str, help="Folder of an interrupted run that is to go on, with its config."
    )
    data = ("root", "name", "split", "task", "layout", "sources", "reference", "labels", "classes")
    made.fixed = [
        *(
            "methods",
            "baselines",
            "weights",
            "network",
            "fused",
            "allow_unmatched",
            "theorem",
            "pictures",
            "conditions",
            "tasks",
            "shard",
        ),
        *(
            "ttd",
            "ttd_by_task",
            "ttd_settings",
            "metrics",
            "data.colour",
            "data.batch_size",
            "seed",
        ),
        *(f"data.{key}" for key in data),
    ]
    made.lists = ("methods", "fused", "weights")
    made.resumes = ("summary.json",)
    return made


def program() -> Callable[..., Any]:
    """What runs; torch is imported only then."""

    def run(settings: Namespace, config: str) -> Any:
        check_places(settings)
        from fusionlab.evaluation.program import evaluate_command

        return evaluate_command(settings, config)

    return run


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab evaluate``."""
    given = list(sys.argv[1:] if argv is None else argv)
    run_command(parser(), given, program, ONLY_HERE, _check)


def _check(given: Sequence[str], settings: Namespace) -> None:
    """Refuse what would evaluate other weights than somebody thinks."""
    if not (settings.methods or settings.fused or settings.resume):
        check_evaluates_its_training(given, settings.network.checkpoint)


if __name__ == "__main__":
    main()
