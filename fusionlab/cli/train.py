"""Train a fusion network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import Namespace

from fusionlab.cli.parser import (
    Parser,
    add_config,
    add_groups,
    add_switch,
    new_parser,
    run_command,
)
from fusionlab.settings.checks import check_places


def parser() -> Parser:
    """The parser of ``fusionlab train``."""
    made = new_parser("train", __doc__, "[--config FILE] [--ttd] [--group.option VALUE ...]")
    add_config(made)
    add_groups(made)
    add_switch(
        made,
        "--cite",
        "Print the papers of the network, objective, data, metrics and TTD that were run.",
    )
    made.add_argument(
        "--resume", type=str, help="Folder of a training run that is to go on, with its config."
    )
    network = ("name", "checkpoint", "options")
    training = ("objective", "optimizer", "optimizer_options", "lr", "options", "weight_decay")
    schedule = ("momentum", "schedule", "schedule_options")
    made.fixed = [
        *(f"network.{key}" for key in network),
        *(f"training.{key}" for key in (*training, *schedule)),
    ]
    made.resumes = ("last.ckpt",)
    return made


def program() -> Callable[..., Any]:
    """What runs; torch is imported only then."""

    def run(settings: Namespace, config: str) -> Any:
        check_places(settings, trains=True)
        from fusionlab.training.program import train

        return train(settings, config)

    return run


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab train``."""
    run_command(parser(), sys.argv[1:] if argv is None else argv, program)


if __name__ == "__main__":
    main()
