"""Speed of networks, as ratios measured side by side in one run.

Each pair of programs runs alternately, so that whatever else the machine does slows both; the
median of the ratios of neighbouring runs is printed, with the number of threads; with one thread
on the CPU, of CPU time, which other programs on the machine change less. Other benchmarks
are chosen by the first argument, each with a --help of its own: "metrics" (speed and memory of
metrics), "logging" (cost of W&B and of the report), "sweep" (many settings of TTD at once), "gpu"
(the figures of a graphics card), "large" (memory of fusing one large pair), "many" (time and memory
of an evaluation of many small ones), "reading" (time of reading pairs of PNG files).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks import gpu, large, logging, many, metrics, reading, sweep
from benchmarks.measuring import clock_for, interleaved, peak_memory
from benchmarks.programs import SUBJECTS, TTD_PRESET, build, random_sources, relative_difference
from fusionlab.networks import NETWORKS

NAMES = {"dynamic": "{}+TTD here", "static": "{} here", "authors": "{} as its authors run it"}
PAIRS = (("dynamic", "static"), ("dynamic", "authors"), ("static", "authors"))
MEMORY_SIZE = (480, 640)
CLOCKS = {time.perf_counter: "wall time", time.process_time: "CPU time"}
OTHERS = {
    "metrics": metrics.main,
    "logging": logging.main,
    "sweep": sweep.main,
    "gpu": gpu.main,
    "large": large.main,
    "reading": reading.main,
    "many": many.main,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in OTHERS:
        OTHERS[arguments[0]](arguments[1:])
    else:
        _compare_networks(arguments)


def _compare_networks(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--pairs", type=int, default=9, help="interleaved pairs, at least 5")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--height", type=int, help="default 480 or 240, by network")
    parser.add_argument("--width", type=int, help="default 640 or 320, by network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--memory", action="store_true", help="measure peak memory too, by default at 480x640"
    )
    options = parser.parse_args(arguments)
    if options.pairs < 5:
        parser.error(f"--pairs must be at least 5, got {options.pairs}")
    torch.set_num_threads(options.threads)
    clock = clock_for(torch.device(options.device))
    print(
        f"fp32, two sources, {options.device}, {options.threads} threads, "
        f"{options.pairs} interleaved pairs, {CLOCKS[clock]}; TTD with the preset {TTD_PRESET}"
    )
    for name in options.networks:
        subject = SUBJECTS[name]
        height, width = options.height or subject.height, options.width or subject.width
        print(f"{subject.title}, {width}x{height}")
        sources = random_sources(height, width, options.device, subject.channels)
        compare_speed(name, sources, options.pairs, clock)
        if options.memory and subject.authors is not None:
            size = options.height or MEMORY_SIZE[0], options.width or MEMORY_SIZE[1]
            for program in ("static", "dynamic"):
                if program == "static" or not NETWORKS[name].no_ttd:
                    compare_memory(name, program, *size, options.device, options.threads)


@torch.inference_mode()
def compare_speed(name: str, sources: Tensor, pairs: int, clock: Callable[[], float]) -> None:
    """Print ratios of times, and how far the authors' version and ours are apart."""
    programs = build(name, str(sources.device))
    title = SUBJECTS[name].title
    for one, other in PAIRS:
        if {one, other} <= programs.keys():
            ratio, first, second = interleaved(
                partial(programs[one], sources),
                partial(programs[other], sources),
                pairs,
                sources.device,
                clock,
            )
            names = f"{NAMES[one]} / {NAMES[other]}".format(title, title)
            print(f"  {names}: {ratio:.2f} ({1000 * first:.0f} ms / {1000 * second:.0f} ms)")
    if "authors" in programs:
        worst = relative_difference(programs["authors"](sources), programs["static"](sources))
        print(f"  largest difference of the static outputs, relative above 1: {worst:.1e}")


def compare_memory(
    name: str, program: str, height: int, width: int, device: str, threads: int
) -> None:
    """Print the peak memory of a program beside that of the authors' static pass."""
    one, other = (
        peak_memory(name, each, height, width, device, threads) for each in (program, "authors")
    )
    names = f"{NAMES[program]} / {NAMES['authors']}".format(*2 * [SUBJECTS[name].title])
    print(f"  peak memory at {width}x{height}, {names}: ", end="")
    print(f"{one / other:.2f} ({one:.0f} MiB / {other:.0f} MiB)")


if __name__ == "__main__":
    main()
