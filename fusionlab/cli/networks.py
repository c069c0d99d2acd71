"""List the networks, convert published checkpoints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional

from jsonargparse import Namespace

from fusionlab.cli.arguments import chosen_command
from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood
from fusionlab.errors import InputError
from fusionlab.registry import NETWORKS

COMMANDS = {
    "list": "print every network with its paper, tasks and checkpoints",
    "table": "print the same as a table in Markdown, with sizes and costs",
    "convert": "write a published checkpoint as safetensors with its network and options",
}


def parser(command: str) -> Parser:
    """The parser of ``fusionlab networks <command>``."""
    usage = "IN OUT.safetensors [--option KEY=VALUE ...]" if command == "convert" else ""
    made = new_parser(f"networks {command}", COMMANDS[command], usage)
    if command != "convert":
        return made
    made.add_argument(
        "source", type=str, metavar="IN", help="Path, http(s):// or hf://owner/name/file."
    )
    made.add_argument("target", type=str, metavar="OUT.safetensors", help="A new file.")
    made.add_argument(
        "--network",
        type=Optional[str],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="Name of the network. Default: the one that the checkpoint fits.",
    )
    made.add_argument(
        "--option",
        type=str,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="An option of the network that the checkpoint was trained for; may be repeated.",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab networks``."""
    given = sys.argv[1:] if argv is None else argv
    command, rest = chosen_command("fusionlab networks", str(__doc__), COMMANDS, given, "list")
    made = parser(command)
    _, options = understood(made, rest)
    with ending_in_one_line(made):
        if command == "convert":
            convert(options)
        elif command == "table":
            from fusionlab.networks.table import networks_table  # torch is imported only now

            print(networks_table())
        else:
            print_list()


def print_list() -> None:
    """Three lines per network; torch is imported only now."""
    from fusionlab.networks.checkpoints import bundled_checkpoint

    for name in sorted(NETWORKS):
        network = NETWORKS[name]
        files = [entry.file for entry in network.published]
        with suppress(InputError):
            files.insert(0, f"bundled ({bundled_checkpoint(name).name})")
        tasks, objective = ", ".join(network.tasks) or "any", network.objective or "none"
        licence = network.licence or "unknown"
        print(f"{name}: {network.paper or network.__name__}")
        print(f"    tasks: {tasks}; objective: {objective}; licence: {licence}")
        without = "none known" if network.trainable else "none: it has no weights"
        print(f"    checkpoints: {', '.join(files) or without}")


def convert(options: Namespace) -> None:
    """Convert a checkpoint and say what it holds; torch is imported only now."""
    from fusionlab.networks.conversion import convert_checkpoint

    converted = convert_checkpoint(
        options.source, options.target, options.network, dict(map(option, options.option))
    )
    stated = "".join(f", {key}={value}" for key, value in converted.options.items())
    print(f"{options.target}: {converted.name}{stated}")


def option(text: str) -> tuple[str, Any]:
    """``channels_in=3`` as a key and a value; what is no JSON is text.

    Raises:
        InputError: If it is not of that form.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InputError(f"--option must be KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


if __name__ == "__main__":
    main()
