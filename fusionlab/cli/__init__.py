"""One command, ``fusionlab``, with a subcommand for everything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import fusionlab
from fusionlab.cli.arguments import chosen_command

COMMANDS = {  # each has a module of its name here, with ``main(argv)``
    "evaluate": "compare networks, with and without test-time dynamic fusion, and others' pictures",
    "train": "train a fusion network",
    "fuse": "fuse pictures, folders of pictures or videos",
    "app": "open a page in the browser that fuses what is dropped on it",
    "figures": "draw figures for a paper",
    "data": "list the named data sets, check a folder, make a manifest",
    "networks": "list the networks, convert published checkpoints, export to ONNX",
    "metrics": "list the metrics and their conventions",
    "merge": "join the shards of an evaluation",
    "completion": "print a script that lets the shell complete commands and options",
    "report": "write the HTML report of an evaluation again, or compare several",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        print(f"fusionlab {fusionlab.__version__}")
        return
    text = "Deep image fusion: train, evaluate, improve at test time."
    name, rest = chosen_command("fusionlab", text, COMMANDS, arguments)
    import_module(f"fusionlab.cli.{name}").main(rest)
