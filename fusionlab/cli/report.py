"""Write the HTML report of an evaluation, finished or interrupted, into its folder.

Of several evaluations: compare them in a new run folder, with tables and a report.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood
from fusionlab.errors import InputError


def parser() -> Parser:
    """The parser of ``fusionlab report``."""
    made = new_parser("report", __doc__, "RUN [RUN ...]")
    made.add_argument(
        "run",
        type=str,
        nargs="+",
        metavar="RUN",
        help="Folder of an evaluation; several are compared on the samples that all of them have.",
    )
    made.add_argument(
        "--output",
        type=Optional[str],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="Folder of a comparison, which is made. Default: a new one below runs/.",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab report``."""
    made = parser()
    settings, _ = understood(made, sys.argv[1:] if argv is None else argv)
    with ending_in_one_line(made):
        folders = [Path(one) for one in settings.run]
        if len(folders) > 1:
            from fusionlab.evaluation.comparing import compare_command

            compare_command(folders, settings.output)
            return
        if settings.output is not None:
            raise InputError("--output is for a comparison of several runs; leave it out")
        from fusionlab.report.html import write_report  # torch is imported only now
        from fusionlab.runs.run import reading

        try:
            with reading(folders[0]):
                print(write_report(folders[0]))
        except PermissionError as reason:
            line = f"cannot write {reason.filename} ({reason.strerror}); copy the run elsewhere"
            made.error(line)


if __name__ == "__main__":
    main()
