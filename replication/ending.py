"""How the programs of this folder end when they cannot go on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fusionlab.errors import InputError


@contextmanager
def ending_in_one_line(parser: argparse.ArgumentParser) -> Iterator[None]:
    """What stops the block is a line: exit code 2 for bad input, 130 after Ctrl-C."""
    try:
        yield
    except InputError as mistake:
        parser.error(str(mistake))
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
