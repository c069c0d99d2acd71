"""How much memory a program takes at its peak."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

LOG_LEVEL = "KINETO_LOG_LEVEL"  # of the profiler, which says on stderr when it starts


class Memory(NamedTuple):
    """Bytes that a program takes beyond what is there before."""

    peak: int
    """The most at one time."""
    kept: int
    """Afterwards."""


def memory_of(program: Callable[[], object], device: torch.device) -> Memory | None:
    """Run a program once and count what it takes.

    Convention: what PyTorch's allocator of the device gives; weights and sources that are there
    before are not in it. On the CPU what libraries allocate past PyTorch is not in it either.

    Args:
        program: What is run; what it returns is given back before the bytes are counted.
        device: Where it computes.

    Returns:
        None where PyTorch does not count: on devices other than CPU and CUDA, and on the CPU in
        other threads than the main one.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        program()
        peak = torch.cuda.max_memory_allocated(device)
        return Memory(peak - before, torch.cuda.memory_allocated(device) - before)
    if device.type != "cpu" or current_thread() is not main_thread():
        program()
        return None
    with _silent(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        program()
    kineto = profiler.profiler
    assert kineto is not None
    assert kineto.kineto_results is not None
    found = [one for one in kineto.kineto_results.events() if one.name() == "[memory]"]
    now = peak = 0
    for one in sorted(found, key=lambda one: one.start_ns()):
        now += one.nbytes()  # below 0 where it is given back
        peak = max(peak, now)
    return Memory(peak, now)


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing but fatal errors from the profiler."""
    before = os.environ.get(LOG_LEVEL)
    os.environ[LOG_LEVEL] = "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ[LOG_LEVEL]
        else:
            os.environ[LOG_LEVEL] = before
