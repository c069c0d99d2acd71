"""One command, ``fusionlab``, with a subcommand for everything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import fusionlab

COMMANDS = {  # each has a module of its name here, with ``main(argv)``
    "evaluate": "compare networks, with and without test-time dynamic fusion, and others' pictures",
    "train": "train a fusion network",
    "fuse": "fuse pictures, folders of pictures or videos",
    "figures": "draw figures for a paper",
    "data": "list the named data sets, check a folder, make a manifest",
    "networks": "list the networks, convert published checkpoints",
    "metrics": "list the metrics and their conventions",
    "report": "write the HTML report of an evaluation again",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: fusionlab COMMAND ...\n\nimage fusion: train, evaluate, improve at test time")
        print("\ncommands (fusionlab COMMAND --help says more):")
        for name, text in COMMANDS.items():
            print(f"  {name:10} {text}")
        raise SystemExit(0 if arguments else 2)
    name, *rest = arguments
    if name == "--version":
        print(f"fusionlab {fusionlab.__version__}")
        return
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"fusionlab: error: no command {name!r}; there are {known}", file=sys.stderr)
        raise SystemExit(2)
    import_module(f"fusionlab.cli.{name}").main(rest)
