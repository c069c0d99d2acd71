"""Write the HTML report of an evaluation, finished or interrupted, into its folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood


def parser() -> Parser:
    """The parser of ``fusionlab report``."""
    made = new_parser("report", __doc__, "RUN")
    made.add_argument("run", type=str, metavar="RUN", help="Folder of an evaluation.")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab report``."""
    made = parser()
    settings, _ = understood(made, sys.argv[1:] if argv is None else argv)
    with ending_in_one_line(made):
        from fusionlab.report.html import write_report  # torch is imported only now
        from fusionlab.runs.run import reading

        try:
            with reading(Path(settings.run)):
                print(write_report(Path(settings.run)))
        except PermissionError as reason:
            line = f"cannot write {reason.filename} ({reason.strerror}); copy the run elsewhere"
            made.error(line)


if __name__ == "__main__":
    main()
