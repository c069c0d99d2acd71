"""Write the HTML report of an evaluation, finished or interrupted, into its folder."""

from __future__ import annotations

from pathlib import Path

from fusionlab.mistakes import Parser, ending_in_one_line


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.report``."""
    parser = Parser(prog="python -m fusionlab.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of an evaluation")
    arguments = parser.parse_args(argv)
    try:
        with ending_in_one_line(parser):
            from fusionlab.report.html import write_report  # torch is imported only now

            print(write_report(arguments.run))
    except PermissionError as reason:
        parser.error(f"cannot write {reason.filename} ({reason.strerror}); copy the run elsewhere")


if __name__ == "__main__":
    main()
