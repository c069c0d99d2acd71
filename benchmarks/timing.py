"""Ratios of times that do not depend on what else the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch


class Ratio(NamedTuple):
    """How long one program takes compared with another."""

    ratio: float
    """Median of the ratios of neighbouring runs."""
    first: float
    """Median seconds of the one."""
    second: float
    """Median seconds of the other."""


def interleaved(
    one: Callable[[], object], other: Callable[[], object], pairs: int, device: torch.device
) -> Ratio:
    """Run two programs alternately, after a warm-up, so that a busy machine slows both."""
    one(), other()
    times = [(seconds(one, device), seconds(other, device)) for _ in range(pairs)]
    firsts, others = zip(*times, strict=True)
    return Ratio(median(a / b for a, b in times), median(firsts), median(others))


def seconds(program: Callable[[], object], device: torch.device) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    program()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
