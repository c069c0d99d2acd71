"""Convert published checkpoints and print the table of networks."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fusionlab.mistakes import Parser, ending_in_one_line
from fusionlab.networks.conversion import convert_checkpoint
from fusionlab.networks.table import networks_table


def new_parser() -> Parser:
    """The parser of both commands."""
    parser = Parser(prog="python -m fusionlab.networks", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    convert = commands.add_parser(
        "convert", help="write a published checkpoint as safetensors with its network and options"
    )
    convert.add_argument("source", metavar="IN", help="path, http(s):// or hf://owner/name/file")
    convert.add_argument("target", metavar="OUT.safetensors", help="a new file")
    convert.add_argument("--network", help="its name; default: the one that the checkpoint fits")
    convert.add_argument(
        "--option",
        type=option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the network that the checkpoint was trained for; may be repeated",
    )
    commands.add_parser("table", help="print the table of networks as Markdown")
    return parser


def option(text: str) -> tuple[str, Any]:
    """``channels_in=3`` as a key and a value; what is no JSON is text.

    Raises:
        ArgumentTypeError: If it is not of that form.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.networks``."""
    parser = new_parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "table":
        print(networks_table())
        return
    with ending_in_one_line(parser):
        network = convert_checkpoint(
            arguments.source, arguments.target, arguments.network, dict(arguments.option)
        )
    options = "".join(f", {key}={value}" for key, value in network.options.items())
    print(f"{arguments.target}: {network.name}{options}")


if __name__ == "__main__":
    main()
