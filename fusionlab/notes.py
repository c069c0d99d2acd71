"""Lines for the user beside the results."""

from __future__ import annotations

import sys

from lightning.pytorch.utilities import rank_zero_only

_shown = True


def show_notes(shown: bool) -> None:
    """Whether :func:`note` prints from now on: what ``--quiet`` decides."""
    global _shown  # a program decides once, for all that it calls
    _shown = shown


@rank_zero_only
def note(line: str) -> None:
    """Print a line on stderr, once for all processes."""
    if _shown:
        print(line, file=sys.stderr)
