"""Draw figures for a paper."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Optional

from jsonargparse import Namespace

from fusionlab.cli.arguments import chosen_command
from fusionlab.cli.fuse import with_bare_ttd
from fusionlab.cli.parser import Parser, add_ttd, new_parser, run_command
from fusionlab.settings import Data, Network
from fusionlab.settings.bench import CorruptionName
from fusionlab.settings.checks import check_places

FIGURES = {
    "panel": "sources, what they are compared with, losses, RD, static and TTD of one sample, and "
    "what a network that decomposes makes of it",
    "strip": "sources, static, TTD and RD of one sample in a row",
    "rd": "the sources of several samples above their RD, side by side (the paper's Figure 1)",
    "masking": "RD of a source before and after a region of it is masked (Figure 6)",
    "contrast": "RD of a source whose contrast fades, or that is corrupted otherwise (Figure 7)",
    "time": "mean RD of every source over the frames of a sequence (Figure 8)",
}
ONE_SAMPLE = ("panel", "strip", "masking")
CORRUPTED_SOURCE = ("masking", "contrast")
WITH_ID = ("panel", "strip", "masking", "contrast")
UNREAD = {"batch_size", "workers"}  # of the data group: samples come one by one


def parser(name: str) -> Parser:
    """The parser of ``fusionlab figures <name>``."""
    files = "[FILE ...] " if name in ONE_SAMPLE else ""
    description = (
        f"Draw {FIGURES[name]}: OUTPUT.pdf and OUTPUT.png, the values drawn as OUTPUT.csv, and "
        "what made them as OUTPUT.json."
    )
    made = new_parser(f"figures {name}", description, f"{files}[-o OUTPUT] [--option VALUE ...]")
    if name in ONE_SAMPLE:
        made.add_argument(
            "files", nargs="*", type=str, metavar="FILE", help="One sample, in place of data.root."
        )
    if name in _ADD_OPTIONS:
        _ADD_OPTIONS[name](made)
    if name in CORRUPTED_SOURCE:
        made.add_argument(
            "--source",
            type=Optional[str],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
            help="Name of the source it happens to. Default: the first.",
        )
    if name in WITH_ID:
        made.add_argument(
            "--id",
            type=Optional[str],  # noqa: UP045 (as above)
            help="Name of the sample that is drawn. Default: the first.",
        )
        _add_ids(made, "Names of several samples, a figure for each: OUTPUT-<name>.")
    made.add_argument(
        "-o",
        "--output",
        type=str,
        default=f"runs/figures/{name}",
        help="Path of the files without their endings.",
    )
    made.add_argument(
        "--fixed-scale",
        action="store_true",
        help="Colours of RD from 0 to 1, the same in every figure. Default: as far from 1/M on "
        "both sides as RD goes in this figure.",
    )
    made.add_class_arguments(Network, "network")
    made.add_class_arguments(Data, "data", skip=set(UNREAD))
    add_ttd(made)
    made.add_argument("--quiet", action="store_true", help="No progress bar, no notes.")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab figures``."""
    given = sys.argv[1:] if argv is None else argv
    name, rest = chosen_command("fusionlab figures", str(__doc__), FIGURES, given)

    def program() -> Callable[[Namespace, str], Any]:
        def run(settings: Namespace, _: str) -> Any:
            check_places(settings)
            from fusionlab.figures.program import draw  # torch is imported only now

            return draw(name, settings)

        return run

    print(*run_command(parser(name), with_bare_ttd(rest), program), sep="\n")


def _add_ids(made: Parser, text: str) -> None:
    made.add_argument("--ids", type=list[str], default=[], metavar="ID", help=text)
    made.lists = ("ids",)


def _rd(made: Parser) -> None:
    text = "Names of the samples. Default: the first of each built-in task, or the first four "
    _add_ids(made, f"{text}of data.root.")


def _masking(made: Parser) -> None:
    made.add_argument(
        "--box",
        type=list[float],
        default=[0.375, 0.375, 0.625, 0.625],
        help="The region as [left, top, right, bottom], in pixels; where none is above 1, as "
        "fractions of the image's size.",
    )
    made.add_argument(
        "--value", type=float, default=0.0, help="What fills it, from 0 (black) to 1 (white)."
    )


def _contrast(made: Parser) -> None:
    made.add_argument(
        "--corruption",
        type=CorruptionName,
        default="contrast",
        help="What happens to the source, in severities from 0 (nothing) to 5.",
    )


def _time(made: Parser) -> None:
    _add_ids(made, "Names of the frames, in their order. Default: all of the data set.")
    made.add_argument(
        "--frames", type=int, default=5, help="How many of the frames are drawn below the curve."
    )


_ADD_OPTIONS: dict[str, Callable[[Parser], None]] = {
    "rd": _rd,
    "masking": _masking,
    "contrast": _contrast,
    "time": _time,
}


if __name__ == "__main__":
    main()
