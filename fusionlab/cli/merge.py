"""Join the shards of an evaluation, the run folders of evaluate --shard, into one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood


def parser() -> Parser:
    """The parser of ``fusionlab merge``."""
    made = new_parser("merge", __doc__, "FOLDER ... [--output DIR]")
    made.add_argument(
        "folders",
        nargs="+",
        type=str,
        metavar="FOLDER",
        help="Run folders of evaluate --shard 1/N to N/N, in any order.",
    )
    made.add_argument(
        "-o",
        "--output",
        type=Optional[str],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        default=None,
        metavar="DIR",
        help="Folder of the merged run, which must not exist. Default: a new one in runs.",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab merge``."""
    made = parser()
    settings, _ = understood(made, sys.argv[1:] if argv is None else argv)
    with ending_in_one_line(made):
        from fusionlab.evaluation.merging import merge_command  # torch is imported only now

        merge_command([Path(folder) for folder in settings.folders], settings.output)


if __name__ == "__main__":
    main()
