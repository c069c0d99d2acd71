"""Write the HTML report of an evaluation, finished or interrupted, into its folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from fusionlab.errors import InputError


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake without a usage block."""
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        raise SystemExit(2)


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.report``."""
    parser = Parser(prog="python -m fusionlab.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of an evaluation")
    arguments = parser.parse_args(argv)
    from fusionlab.report.html import write_report  # torch is imported only now

    try:
        print(write_report(arguments.run))
    except InputError as mistake:
        parser.error(str(mistake))
    except PermissionError as reason:
        parser.error(f"cannot write {reason.filename} ({reason.strerror}); copy the run elsewhere")


if __name__ == "__main__":
    main()
