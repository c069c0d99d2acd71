"""Lines for the user beside the results."""

from __future__ import annotations

import sys

from lightning.pytorch.utilities import rank_zero_only


@rank_zero_only
def note(line: str) -> None:
    """Print a line on stderr, once for all processes."""
    print(line, file=sys.stderr)
