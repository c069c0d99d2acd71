"""Speed of a sweep over settings of TTD beside one evaluation with TTD, of the same images.

By turns an image is evaluated as evaluate.py does (static, with TTD and each source alone; images
and maps are written) and swept over all settings; printed is the median of the ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from fusionlab.benchmark.programs import random_triples
from fusionlab.benchmark.timing import Ratio, interleaved
from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.laboratory.conditions import PartialDataset
from fusionlab.laboratory.settings import Experiment
from fusionlab.laboratory.sweep import Scorer, sweep
from fusionlab.metrics import open_metrics
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.training.module import FusionModule
from fusionlab.training.writer import RunWriter

CPU = torch.device("cpu")
AT_MOST = 8  # what 40 settings may cost
GRID: dict[str, list[Any]] = {  # of configs/experiments/grid.yaml
    "preset": ["paper"],
    "loss": ["l1", "mse"],
    "form": ["exp", "linear"],
    "correlation": ["negative", "positive"],
    "temperature": [1, 5, 20, 50, 200],
}


class RandomPairs(FusionDataset):
    """Smooth and noisy luma pairs, made when they are read, from fixed seeds."""

    def __init__(self, count: int, height: int, width: int) -> None:
        super().__init__("random pairs", "vif", "luma")
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
    parser = argparse.ArgumentParser(
        prog="python -m fusionlab.benchmark sweep", description=__doc__
    )
    parser.add_argument("--images", type=int, default=20, help="at least 1")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--height", type=int, default=240, help="at least 11")
    parser.add_argument("--width", type=int, default=320, help="at least 11")
    options = parser.parse_args(arguments)
    if options.images < 1:
        parser.error(f"--images must be at least 1, got {options.images}")
    torch.set_num_threads(options.threads)
    settings = Experiment(grid=GRID).labelled()
    found = compare(RandomPairs(options.images, options.height, options.width), settings)
    print(
        f"IFCNN, fp32, two luma sources, {options.width}x{options.height}, cpu, "
        f"{options.threads} threads, {options.images} images by turns\n"
        f"  sweep of {len(settings)} settings / evaluation with TTD: {found.ratio:.1f}, at most "
        f"{AT_MOST} ({found.first:.2f} s / {found.second:.2f} s per image)"
    )


@torch.inference_mode()
def compare(dataset: FusionDataset, settings: dict[str, TTD]) -> Ratio:
    """Seconds per image of a sweep and of one evaluation, both with reading and scoring."""
    network = create_network("ifcnn", "bundled").eval()
    metrics = open_metrics()
    scorer = Scorer(metrics, stretch=False)
    module = FusionModule(network, ttd=TTD("paper"))
    module.score_on([dataset], metrics)
    turns = {"sweep": -1, "evaluation": -1}  # the first turn warms up

    def next_image(program: str) -> int:
        turns[program] += 1
        return turns[program] % len(dataset)

    def swept() -> None:
        part = PartialDataset(dataset, [next_image("sweep")])
        rows = list(sweep(network, part, settings, scorer))
        assert len(rows) == 1 + len(settings)

    def evaluated() -> None:
        batch = collate([dataset[next_image("evaluation")]])
        outputs = module.test_step(batch, batch_idx=1)  # 0 would warm up
        # the hook itself, which does not look at the trainer
        writer.on_test_batch_end(cast(Trainer, None), module, outputs, batch, 1)

    with TemporaryDirectory() as folder:
        writer = RunWriter(Path(folder), [dataset], module.headings(), with_sources=False)
        writer.begin(rank=0)
        return interleaved(swept, evaluated, len(dataset), CPU)
