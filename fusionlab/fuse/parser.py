"""The parser of ``python -m fusionlab.fuse``; no torch here."""

from __future__ import annotations

from typing import Literal, NoReturn, Optional

from fusionlab.cli import Parser
from fusionlab.settings import TTD, Network, Task

PROG = "python -m fusionlab.fuse"


class FuseParser(Parser):
    """Parser whose inner ones, which jsonargparse makes for groups, name the program too."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the mistake as this program's."""
        self.prog = PROG
        super().error(message, ex)


def new_parser() -> Parser:
    """The parser; options are those of evaluate.py and mean the same."""
    parser = FuseParser(
        prog=PROG,
        description="Fuse two or more pictures of one scene, folders of pictures matched by their "
        "names, or videos frame by frame.",
        allow_abbrev=False,
        usage=f"{PROG} A B [C ...] -o OUTPUT [--ttd] [options]",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        type=str,
        metavar="SOURCE",
        help="Image, folder of images, or video; all of one kind and size, two or more.",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=str,
        required=True,
        help="Fused image (.png, .tif, or .jpg, which is lossy), folder, or video (.mp4, .mov, "
        ".mkv: H.264, without sound).",
    )
    parser.add_argument(
        "--task",
        type=Optional[Task],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="vif (infrared-visible), mif (medical), mef (multi-exposure) or mff (multi-focus). "
        "Default: told by the names of the files or folders where they tell it (vi and ir, say).",
    )
    parser.add_argument(
        "--sources",
        type=Optional[list[str]],  # noqa: UP045 (as above)
        help="Names of the sources in their order, e.g. [vi, ir]. Default: those of the files, "
        "their endings (01_vi.png) or their folders.",
    )
    parser.add_argument(
        "--colour",
        type=Literal["auto", "luma", "rgb"],
        default="auto",
        help="What the network sees: luma, rgb, or auto (RGB where its authors fuse it).",
    )
    parser.add_argument(
        "--ttd",
        type=Optional[TTD],  # noqa: UP045 (as above)
        metavar="OPTIONS",
        help="Fuse with test-time dynamic fusion; refine with --ttd.preset, --ttd.loss, "
        "--ttd.temperature, --ttd.form, --ttd.normalization, --ttd.correlation.",
    )
    parser.add_argument(
        "--rd-dir",
        type=Optional[str],  # noqa: UP045 (as above)
        metavar="DIR",
        help="With --ttd, folder for the Relative Dominability: <name>-<source>.png, colours from "
        "0 to 1, and the raw <name>.npz; of videos, videos.",
    )
    parser.add_class_arguments(Network, "network")
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace files that are there already."
    )
    parser.add_argument(
        "--quiet", action="store_true", help="No progress bar, no notes; only what went wrong."
    )
    return parser


def with_bare_ttd(argv: list[str]) -> list[str]:
    """Arguments in which a bare ``--ttd`` does not take the first file for its options."""
    return ["--ttd={}" if argument == "--ttd" else argument for argument in argv]
