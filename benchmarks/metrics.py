"""Speed of metrics beside that of scripts in circulation, and memory over many images.

A plain program for one image and the metrics here for a batch run alternately; printed is the
median of the ratios of neighbouring runs, per image. Every plain metric starts from the pixels,
with two-dimensional windows, as published scripts do.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from benchmarks.measuring import Ratio, interleaved, peak_memory_over_images, seconds
from benchmarks.plain_metrics import PLAIN
from benchmarks.programs import random_triples
from fusionlab.metrics import FusionMetrics, open_metrics

CPU = torch.device("cpu")
MEMORY_SIZE = (120, 160)
MEMORY_PRESETS = {"ttd": 1, "all": 10}  # with how many times fewer images


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks metrics", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs, at least 5")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--height", type=int, default=480, help="at least 41")
    parser.add_argument("--width", type=int, default=640, help="at least 41")
    parser.add_argument("--batch", type=int, default=8, help="images in a batch here")
    parser.add_argument(
        "--images", type=int, default=1000, help="in the test of memory, which needs Linux; 0: none"
    )
    options = parser.parse_args(arguments)
    if options.pairs < 5:
        parser.error(f"--pairs must be at least 5, got {options.pairs}")
    torch.set_num_threads(options.threads)
    print(
        f"fp64, 8-bit images with two sources, {options.width}x{options.height}, cpu, "
        f"{options.threads} threads, {options.pairs} interleaved pairs, batch {options.batch}"
    )
    compare_speed(options.height, options.width, options.batch, options.pairs)
    print_time_of_all(options.height, options.width, options.pairs)
    for preset, fewer in MEMORY_PRESETS.items() if options.images else ():
        print_memory(preset, options.images // fewer, options.threads)


@torch.inference_mode()
def compare_speed(height: int, width: int, batch: int, pairs: int) -> None:
    """Print the ratios, of all plain metrics together and of each, and how far values differ."""
    fused, sources = random_triples(height, width, batch)
    print("  plain NumPy and SciPy / here, per image:")
    worst = 0.0
    for names in (list(PLAIN), *([name] for name in PLAIN)):
        ratio, difference = compare(names, fused, sources, pairs)
        title = names[0] if len(names) == 1 else f"{', '.join(names)} together"
        times = f"{1000 * ratio.first:.1f} ms / {1000 * ratio.second:.1f} ms"
        print(f"    {title}: {ratio.ratio:.1f} ({times})")
        worst = max(worst, difference)
    print(f"  largest relative difference of the values: {worst:.1e}")


def compare(
    names: Sequence[str], fused: Tensor, sources: Tensor, pairs: int
) -> tuple[Ratio, float]:
    """Times per image of the plain metrics and of those here, and their relative difference."""
    plain = PlainMetrics(names, fused, sources)
    ratio, first, second = interleaved(plain, lambda: here(names, fused, sources), pairs, CPU)
    batch = len(fused)
    values = here(names, fused, sources).per_image()[1]
    expected = torch.tensor(plain.rows, dtype=values.dtype)[:batch]
    difference = (expected / values[: len(expected)] - 1).abs().max().item()
    return Ratio(ratio * batch, first, second / batch), difference


class PlainMetrics:
    """Measures one image after the other, one at every call, and keeps the values."""

    def __init__(self, names: Sequence[str], fused: Tensor, sources: Tensor) -> None:
        self.names = names
        self.fused = fused.squeeze(1).double().numpy()
        self.sources = sources.squeeze(2).double().numpy()
        self.rows: list[list[float]] = []

    def __call__(self) -> None:
        """Measure the next image, after the last the first."""
        k = len(self.rows) % len(self.fused)
        self.rows.append([PLAIN[name](self.fused[k], self.sources[k]) for name in self.names])


def here(names: Sequence[str], fused: Tensor, sources: Tensor) -> FusionMetrics:
    """A batch measured by this library."""
    metrics = FusionMetrics(open_metrics(names=names))
    metrics.update(fused, sources)
    return metrics


@torch.inference_mode()
def print_time_of_all(height: int, width: int, runs: int) -> None:
    """Print the median time of every metric on one image, which may have to be larger."""
    metrics = FusionMetrics("all")
    height, width = (max(side, metrics.minimum_size) for side in (height, width))
    images = random_triples(height, width, 1)
    metrics.update(*images)
    time = median(seconds(lambda: metrics.update(*images), CPU) for _ in range(runs))
    print(f"  all {len(metrics.names)} metrics, {width}x{height}: {time:.2f} s per image")


def print_memory(preset: str, images: int, threads: int) -> None:
    """Print the peak of memory after a tenth of the images and after all of them."""
    least = FusionMetrics(preset).minimum_size
    height, width = (max(side, least) for side in MEMORY_SIZE)
    counts = (max(1, images // 10), images)
    few, many = peak_memory_over_images(preset, height, width, counts, threads)
    print(f"  peak memory of {preset}, {width}x{height}: ", end="")
    print(f"{few:.1f} MiB after {counts[0]} images, {many:.1f} MiB after {counts[1]}")
