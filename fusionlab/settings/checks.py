"""What several groups ask of their values."""

from __future__ import annotations

import math

from fusionlab.errors import InputError


def at_least(key: str, value: float | None, least: float) -> None:
    """Refuse what is not a finite number of at least ``least``.

    Raises:
        InputError: If it is none; the message names the key.
    """
    if value is None or not least <= value < math.inf:
        raise InputError(f"{key} must be at least {least}, got {value}")
