"""Fuse two or more pictures of one scene, folders of pictures, or videos frame by frame."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, Optional, Union

from jsonargparse import Namespace

from fusionlab.cli.parser import Parser, add_ttd, new_parser, run_command
from fusionlab.settings import Network, Task
from fusionlab.settings.checks import check_places
from fusionlab.settings.ttd import TTD_PRESETS


def parser() -> Parser:
    """The parser of ``fusionlab fuse``; options are those of evaluate and mean the same."""
    made = new_parser("fuse", __doc__, "A B [C ...] -o OUTPUT [--ttd] [--option VALUE ...]")
    made.add_argument(
        "inputs",
        nargs="+",
        type=str,
        metavar="SOURCE",
        help="Image, folder of images (matched by their names), or video; all of one kind and "
        "size, two or more.",
    )
    made.add_argument(
        "-o",
        "--output",
        type=str,
        required=True,
        help="Fused image (.png, .tif, or .jpg, which is lossy), folder, or video (.mp4, .mov, "
        ".mkv: H.264, without sound).",
    )
    made.add_argument(
        "--task",
        type=Optional[Task],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="vif (infrared-visible), mif (medical), mef (multi-exposure) or mff (multi-focus). "
        "Default: found from the names of the files or folders, e.g. vi and ir; other names "
        "need it.",
    )
    made.add_argument(
        "--sources",
        type=Optional[list[str]],  # noqa: UP045 (as above)
        help="Names of the sources in their order, e.g. [vi, ir]. Default: those of the files, "
        "their endings (01_vi.png) or their folders.",
    )
    made.add_argument(
        "--colour",
        type=Literal["auto", "luma", "rgb"],
        default="auto",
        help="What the network sees: luma, rgb, or auto (RGB where its authors fuse it).",
    )
    made.add_argument(
        "--shard",
        type=Optional[str],  # noqa: UP045 (as above)
        default=None,
        metavar="I/N",
        help="Fuse only every N-th image of folders from the I-th on, so that N jobs share them.",
    )
    made.add_argument(
        "--bits",
        type=Literal[8, 16],
        default=8,
        help="Bits of a channel of the fused image; 16 for .png and .tif.",
    )
    made.add_argument(
        "--tile",
        type=Optional[int],  # noqa: UP045 (as above)
        default=None,
        help="Side of the tiles in which large images are fused, pixels; 0 fuses every image "
        "whole. Default: tiles where the whole would not fit into the free memory.",
    )
    made.add_argument(
        "--resize",
        type=Optional[Literal["first", "smallest"]],  # noqa: UP045 (as above)
        default=None,
        help="Whose size the images of a sample get where they differ. Default: they are refused.",
    )
    made.add_argument(
        "--align",
        type=Optional[Literal["translation", "homography"]],  # noqa: UP045 (as above)
        default=None,
        help="Lay the sources of a sample onto the first and cut them to what all show, for "
        "hand-held cameras. Default: they stay as they are, and it is told if they seem not to lie "
        "on each other.",
    )
    made.add_argument(
        "--range",
        type=Optional[Union[float, str, dict[str, Union[float, str]]]],  # noqa: UP007, UP045
        default=None,
        help="Stored value that is white, e.g. 4095; auto for the smallest and the largest of all "
        "images of a source; or by source, e.g. {ir: 16383}. Default: what the files say.",
    )
    made.add_argument(
        "--page",
        type=Optional[int],  # noqa: UP045 (as above)
        default=None,
        help="Page, frame or slice of images that hold several, from 1. Default: the first.",
    )
    add_ttd(made)
    made.add_argument(
        "--rd-dir",
        type=Optional[str],  # noqa: UP045 (as above)
        metavar="DIR",
        help="With --ttd, folder for the Relative Dominability: <name>-<source>.png, red above "
        "1/M and blue below, <name>-legend.png with the numbers of these colours, and the raw "
        "<name>.npz; of videos, videos, which takes a second turn.",
    )
    made.add_argument(
        "--decomposition-dir",
        type=Optional[str],  # noqa: UP045 (as above)
        metavar="DIR",
        help="With a network that decomposes (defusion, defusionpp), folder for what it says that "
        "all sources show, <name>-common.png, and each alone, <name>-unique-<source>.png; of "
        "images.",
    )
    made.add_class_arguments(Network, "network")
    # no value behind these: it could be a file
    made.add_argument(
        "--allow_unmatched",
        action="store_true",
        help="Leave out images of folders that lack a partner, or are of a format that is not "
        "read, in place of an error.",
    )
    made.add_argument(
        "--overwrite", action="store_true", help="Replace files that are there already."
    )
    made.add_argument(
        "--cite",
        action="store_true",
        help="Print the papers of the network and TTD that were run.",
    )
    made.add_argument(
        "--quiet", action="store_true", help="No progress bar, no notes; only what went wrong."
    )
    return made


def program() -> Callable[[Namespace, str], Any]:
    """What runs; torch is imported only then."""

    def run(settings: Namespace, _: str) -> Any:
        check_places(settings)
        from fusionlab.fuse.program import fuse

        return fuse(settings)

    return run


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab fuse``; exit code 1 if only a part could be fused."""
    arguments = with_bare_ttd(sys.argv[1:] if argv is None else argv)
    if not run_command(parser(), arguments, program):
        raise SystemExit(1)


def with_bare_ttd(argv: Sequence[str]) -> list[str]:
    """Arguments in which a bare ``--ttd`` does not take the file behind it for its options."""
    pairs = zip(argv, [*argv[1:], ""], strict=False)
    return [
        "--ttd={}"
        if word == "--ttd" and not behind.startswith("{") and behind not in TTD_PRESETS
        else word
        for word, behind in pairs
    ]


if __name__ == "__main__":
    main()
