"""Lines for the user beside the results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Whether :func:`note` is silent within the block."""
    token = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(token)


def note(line: str) -> None:
    """Print a line on stderr, once for all processes."""
    from lightning.pytorch.utilities import rank_zero_only  # seconds: only who notes waits

    if not _quiet.get() and not getattr(rank_zero_only, "rank", 0):
        print(line, file=sys.stderr)
