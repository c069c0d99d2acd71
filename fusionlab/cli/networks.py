"""List the networks, convert published checkpoints, export networks for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional

from jsonargparse import Namespace

from fusionlab.cli.arguments import chosen_command
from fusionlab.cli.fuse import with_bare_ttd
from fusionlab.cli.parser import Parser, add_ttd, ending_in_one_line, new_parser, understood
from fusionlab.errors import InputError
from fusionlab.registry import NETWORKS
from fusionlab.settings.bench import Method
from fusionlab.settings.groups import Task

COMMANDS = {
    "list": "print every network with its paper, tasks and checkpoints",
    "table": "print the same as a table in Markdown, with sizes and costs",
    "convert": "write a published checkpoint as safetensors with its network and options",
    "export": "write a network as ONNX, as a program of torch.export, or as safetensors",
}


def parser(command: str) -> Parser:
    """The parser of ``fusionlab networks <command>``."""
    usage = {
        "convert": "IN OUT.safetensors [--option KEY=VALUE ...]",
        "export": "NAME OUT.onnx [--ttd PRESET] [--option VALUE ...]",
    }
    made = new_parser(f"networks {command}", COMMANDS[command], usage.get(command, ""))
    if command != "table":
        made.add_argument("--cite", action="store_true", help="Print the papers, too.")
    if command == "export":
        _add_export(made)
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


def _add_export(made: Parser) -> None:
    made.add_argument(
        "network",
        type=str,
        metavar="NAME",
        help="NETWORK, or NETWORK@CHECKPOINT. Default checkpoint: the bundled one.",
    )
    made.add_argument(
        "target",
        type=str,
        metavar="OUT",
        help="A new file: .onnx, .pt2 (for torch.export.load) or .safetensors (weights only).",
    )
    made.add_argument(
        "--task",
        type=Optional[Task],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="vif, mif, mef or mff. Default: the first that the network is made for.",
    )
    made.add_argument(
        "--sources",
        type=Optional[int],  # noqa: UP045 (as above)
        help="Number of sources. Default: what the network takes, else 2.",
    )
    made.add_argument(
        "--channels",
        type=Optional[int],  # noqa: UP045 (as above)
        help="1 (luma) or 3 (RGB). Default: as the network's authors fuse the task.",
    )
    made.add_argument(
        "--options",
        type=dict[str, Any],
        default={},
        help="Arguments of the network, e.g. --options.rule mean.",
    )
    add_ttd(made)


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab networks``."""
    given = sys.argv[1:] if argv is None else argv
    command, rest = chosen_command("fusionlab networks", str(__doc__), COMMANDS, given, "list")
    made = parser(command)
    _, options = understood(made, with_bare_ttd(rest) if command == "export" else rest)
    with ending_in_one_line(made):
        if command == "convert":
            convert(options)
        elif command == "export":
            export(options)
        elif command == "table":
            from fusionlab.networks.table import networks_table  # torch is imported only now

            print(networks_table())
        else:
            print_list(options.cite)


def print_list(with_papers: bool) -> None:
    """Three lines per network, and the papers; torch is imported only now."""
    from fusionlab.networks.checkpoints import bundled_checkpoint

    for name in sorted(NETWORKS):
        network = NETWORKS[name]
        files = [entry.file for entry in network.published]
        with suppress(InputError):
            files.insert(0, f"bundled ({bundled_checkpoint(name).name})")
        tasks, objective = ", ".join(network.tasks) or "any", network.objective or "none"
        licence = network.licence or "unknown"
        print(f"{name}: {network.paper or network.title()}")
        print(f"    tasks: {tasks}; objective: {objective}; licence: {licence}")
        without = "none known" if network.trainable else "none: it has no weights"
        print(f"    checkpoints: {', '.join(files) or without}")
    if with_papers:
        print_papers(sorted(NETWORKS))


def convert(options: Namespace) -> None:
    """Convert a checkpoint and say what it holds; torch is imported only now."""
    from fusionlab.networks.conversion import convert_checkpoint

    converted = convert_checkpoint(
        options.source, options.target, options.network, dict(map(option, options.option))
    )
    stated = "".join(f", {key}={value}" for key, value in converted.options.items())
    print(f"{options.target}: {converted.name}{stated}")
    if options.cite:
        print_papers([converted.name])


def export(options: Namespace) -> None:
    """Export a network and say how near the file is to it; torch is imported only now."""
    from fusionlab.exporting import OPSET, export_network
    from fusionlab.networks import create_network
    from fusionlab.networks.checkpoints import BUNDLED

    method = Method.parse(options.network)
    network = create_network(method.network, method.checkpoint or BUNDLED, **options.options)
    ttd = options.ttd.single() if options.ttd else None
    made = export_network(
        network, options.target, options.task, ttd, options.sources, options.channels
    )
    opset = f", ONNX opset {OPSET}" if made.path.suffix == ".onnx" else ""
    print(f"{made.path}: {network.name}{opset}")
    for key, text in made.facts.items():
        if text:
            print(f"    {key}: {text}")
    sizes = " and ".join(f"{width}x{height}" for height, width in made.sizes)
    for name, difference in made.differences.items():
        print(f"    largest difference of {name} at {sizes} pixels: {difference:.1e}")
    if options.cite:
        print_papers([network.name], ttd is not None)


def print_papers(names: Sequence[str], ttd: bool = False) -> None:
    """The papers of networks, and of TTD; every metric is imported only now."""
    from fusionlab.citing import cite, papers

    cite(papers(names, (), ttd))


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
