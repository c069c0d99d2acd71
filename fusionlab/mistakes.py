"""How a program ends when it is typed wrongly or interrupted: in one line, without a traceback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from fusionlab.errors import InputError


class Parser(argparse.ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake without a usage block."""
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        raise SystemExit(2)


@contextmanager
def ending_in_one_line(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Make an InputError a mistake in the arguments, and of Ctrl-C exit code 130."""
    try:
        yield
    except InputError as mistake:
        parser.error(str(mistake).rpartition("InputError: ")[2])  # after a worker's traceback
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
