"""The parser of ``python -m fusionlab.figures``; no torch here."""

from __future__ import annotations

from typing import Literal, Optional

from fusionlab.cli import Parser
from fusionlab.settings import TTD, Data, Network

PROG = "python -m fusionlab.figures"
COMMANDS = {
    "panel": "sources, what they are compared with, losses, RD, static and TTD of one sample",
    "rd": "the sources of several samples above their RD, side by side (the paper's Figure 1)",
    "masking": "RD of a source before and after a region of it is masked (Figure 6)",
    "contrast": "RD of a source whose contrast fades, or that is corrupted otherwise (Figure 7)",
    "time": "mean RD of every source over the frames of a sequence (Figure 8)",
}
ONE_SAMPLE = ("panel", "masking")
CORRUPTED_SOURCE = ("masking", "contrast")
WITH_ID = ("panel", "masking", "contrast")
CORRUPTION = Literal["contrast", "noise", "blur", "brightness", "fog"]
UNREAD = {"batch_size", "workers"}  # of the data group: samples come one by one


def new_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog=PROG,
        description="Draw figures for a paper: OUTPUT.pdf and OUTPUT.png, the values drawn as "
        "OUTPUT.csv, and what made them as OUTPUT.json.",
        allow_abbrev=False,
    )
    commands = parser.add_subcommands(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = _new_command(name, text)
        commands.add_subcommand(name, command, help=text)
        command.prog = f"{PROG} {name}"
    return parser


def _new_command(name: str, text: str) -> Parser:
    files = " [FILE ...]" if name in ONE_SAMPLE else ""
    command = Parser(
        description=f"Draw {text}.",
        usage=f"{PROG} {name}{files} [-o OUTPUT] [--group.option VALUE ...]",
        allow_abbrev=False,
    )
    if name in ONE_SAMPLE:
        command.add_argument(
            "files", nargs="*", type=str, metavar="FILE", help="One sample, in place of data.root."
        )
    _ADD_OPTIONS[name](command)
    if name in CORRUPTED_SOURCE:
        command.add_argument(
            "--source",
            type=Optional[str],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
            help="Name of the source it happens to. Default: the first.",
        )
    if name in WITH_ID:
        command.add_argument(
            "--id",
            type=Optional[str],  # noqa: UP045 (as above)
            help="Name of the sample that is drawn. Default: the first.",
        )
    command.add_argument(
        "-o", "--output", type=str, default=name, help="Path of the files without their endings."
    )
    command.add_class_arguments(Network, "network")
    command.add_class_arguments(Data, "data", skip=set(UNREAD))
    command.add_class_arguments(TTD, "ttd")
    return command


def _rd(command: Parser) -> None:
    command.add_argument(
        "--ids",
        type=str,
        nargs="+",
        metavar="ID",
        help="Names of the samples. Default: the first of each built-in task, or "
        "the first four of data.root.",
    )


def _masking(command: Parser) -> None:
    command.add_argument(
        "--box",
        type=list[float],
        default=[0.375, 0.375, 0.625, 0.625],
        help="The region as [left, top, right, bottom], in pixels; where none is above 1, as "
        "fractions of the image's size.",
    )
    command.add_argument(
        "--value", type=float, default=0.0, help="What fills it, from 0 (black) to 1 (white)."
    )


def _contrast(command: Parser) -> None:
    command.add_argument(
        "--corruption",
        type=CORRUPTION,
        default="contrast",
        help="What happens to the source, in severities from 0 to 5.",
    )


def _time(command: Parser) -> None:
    command.add_argument(
        "--frames", type=int, default=5, help="How many of the frames are drawn below the curve."
    )


_ADD_OPTIONS = {
    "panel": lambda command: None,
    "rd": _rd,
    "masking": _masking,
    "contrast": _contrast,
    "time": _time,
}
