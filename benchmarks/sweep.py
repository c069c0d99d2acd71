"""Speed of a sweep over settings of TTD beside one evaluation with TTD, of the same images.

By turns an image is evaluated as ``fusionlab evaluate --ttd`` does (static, with TTD and each
source alone; pictures and maps are written) and swept over all settings; printed is the median of
the ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.measuring import Ratio, interleaved
from benchmarks.programs import random_triples
from fusionlab.data.dataset import FusionDataset
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.methods import network_methods
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.networks import create_network
from fusionlab.settings import TTD, Conditions

CPU = torch.device("cpu")
AT_MOST = 8  # evaluations that 40 settings may cost
GRID = TTD(  # of configs/experiments/grid.yaml
    preset="paper",
    loss=["l1", "mse"],
    form=["exp", "linear"],
    correlation=["negative", "positive"],
    temperature=[1, 5, 20, 50, 200],
)


class RandomPairs(FusionDataset):
    """Smooth and noisy luma pairs, made when they are read, from fixed seeds."""

    def __init__(self, count: int, height: int, width: int) -> None:
        super().__init__("random pairs", "vif")
        self.ids = [str(k) for k in range(count)]
        self.source_names = [("vi", "ir")] * count
        self.sizes = [(height, width)] * count

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """Two images, (1, H, W) in [0, 1]."""
        _, sources = random_triples(*self.sizes[index], 1, seed=index)
        return list(sources[0] / 255), None

    def describe(self) -> dict[str, Any]:
        """Their name."""
        return {"name": self.name}


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sweep", description=__doc__)
    parser.add_argument("--images", type=int, default=20, help="at least 1")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--height", type=int, default=240, help="at least 11")
    parser.add_argument("--width", type=int, default=320, help="at least 11")
    options = parser.parse_args(arguments)
    if options.images < 1:
        parser.error(f"--images must be at least 1, got {options.images}")
    torch.set_num_threads(options.threads)
    # one image more, which warms up
    found = compare(RandomPairs(options.images + 1, options.height, options.width), GRID)
    print(
        f"IFCNN, fp32, two luma sources, {options.width}x{options.height}, cpu, "
        f"{options.threads} threads, {options.images} images by turns\n"
        f"  sweep of {len(GRID.combinations())} settings / evaluation with TTD: {found.ratio:.1f}, "
        f"at most {AT_MOST} ({found.first:.2f} s / {found.second:.2f} s per image)"
    )


def compare(dataset: FusionDataset, grid: TTD) -> Ratio:
    """Seconds per image of a sweep and of one evaluation, both with reading and scoring."""
    with TemporaryDirectory() as sweep, TemporaryDirectory() as evaluation:
        swept = _images(dataset, grid, Path(sweep), pictures=False)
        evaluated = _images(dataset, TTD("paper"), Path(evaluation), pictures=True)
        return interleaved(lambda: next(swept), lambda: next(evaluated), len(dataset) - 1, CPU)


def _images(
    dataset: FusionDataset, ttd: TTD, folder: Path, pictures: bool
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Measures an image each time that it is asked for the next."""
    network = create_network("ifcnn", "bundled").eval()
    methods = [network_methods("IFCNN", network, [ttd])]
    plan, scorer = conditions(Conditions(), dataset), Scorer(open_metrics(), with_truth=False)
    return measure(Bench(methods, [], [dataset], plan, scorer, pictures=pictures), folder, {})
