"""Ratios of times that do not depend on what else the machine does, and peaks of memory.

Memory is measured in a fresh process: of one pass, or of metrics over many images.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from benchmarks.programs import SUBJECTS, build, random_sources, random_triples
from fusionlab.metrics import FusionMetrics

STATUS = Path("/proc/self/status")
WARM_UP = 32  # height and width of the pass that loads libraries and kernels


class Ratio(NamedTuple):
    """How long one program takes compared with another."""

    ratio: float
    """Median of the ratios of neighbouring runs."""
    first: float
    """Median seconds of the one."""
    second: float
    """Median seconds of the other."""


def interleaved(
    one: Callable[[], object],
    other: Callable[[], object],
    pairs: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Run two programs alternately, after a warm-up, so that a busy machine slows both."""
    one(), other()
    times = [(seconds(one, device, clock), seconds(other, device, clock)) for _ in range(pairs)]
    firsts, others = zip(*times, strict=True)
    return Ratio(median(a / b for a, b in times), median(firsts), median(others))


def seconds(
    program: Callable[[], object],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Time of one run, wall time by default."""
    start = clock()
    program()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def clock_for(device: torch.device) -> Callable[[], float]:
    """CPU time of one thread on the CPU, else wall time."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


def peak_memory(
    name: str, program: str, height: int, width: int, device: str, threads: int
) -> float:
    """MiB that one pass needs beyond what the process holds before it.

    Convention: on CUDA what PyTorch allocates; elsewhere resident memory, which counts what
    libraries allocate for themselves. The kernel keeps its peak (``VmHWM``) for each process;
    ``ru_maxrss`` would start from the parent's.

    Args:
        name: A network of the benchmark.
        program: ``dynamic``, ``static`` or ``authors``.
        height: Of the two sources.
        width: Of the two sources.
        device: As PyTorch names it.
        threads: CPU threads.

    Raises:
        OSError: If the device is the CPU and the system is not Linux.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_measure, name, program, height, width, device, threads).result()


@torch.inference_mode()
def _measure(name: str, program: str, height: int, width: int, device: str, threads: int) -> float:
    torch.set_num_threads(threads)
    run, channels = build(name, device)[program], SUBJECTS[name].channels
    run(random_sources(WARM_UP, WARM_UP, device, channels))
    sources = random_sources(height, width, device, channels)
    if sources.is_cuda:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run(sources)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = _resident("VmRSS")
    run(sources)
    return (_resident("VmHWM") - before) / 2**10


def peak_memory_over_images(
    preset: str, height: int, width: int, counts: Sequence[int], threads: int
) -> list[float]:
    """MiB that metrics need beyond what the process holds after one image, at some later ones.

    Args:
        preset: Of the metrics.
        height: Of the images.
        width: Of the images.
        counts: After how many images, in ascending order.
        threads: CPU threads.

    Raises:
        OSError: If the system is not Linux.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_measure_images, preset, height, width, counts, threads).result()


@torch.inference_mode()
def _measure_images(
    preset: str, height: int, width: int, counts: Sequence[int], threads: int
) -> list[float]:
    torch.set_num_threads(threads)
    metrics = FusionMetrics(preset)
    metrics.update(*random_triples(height, width, 1))
    before = _resident("VmRSS")
    peaks = {}
    for count in range(1, counts[-1] + 1):
        metrics.update(*random_triples(height, width, 1, seed=count))
        if count in counts:
            peaks[count] = (_resident("VmHWM") - before) / 2**10
    return [peaks[count] for count in counts]


def _resident(entry: str) -> int:
    """KiB."""
    found = re.search(rf"^{entry}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert found
    return int(found[1])
