"""How long settings of TTD take beside the static network, image by image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.laboratory.outcome import Measure
from fusionlab.laboratory.sweep import STATIC, Row
from fusionlab.networks import FusionNetwork
from fusionlab.settings import TTD
from fusionlab.training.module import FusionModule

TIMES = (Measure("ms", False), Measure("ratio", False))
"""Milliseconds per image without reading, colour and scoring; and how many times the static
network's time at the same moment."""


@torch.inference_mode()
def times(
    network: FusionNetwork,
    dataset: FusionDataset,
    settings: Mapping[str, TTD],
    repeats: int,
    *,
    done: Collection[tuple[str, str]] = (),
    device: torch.device | None = None,
) -> Iterator[Row]:
    """Time every sample, one at a time; settings take turns, so that a busy machine slows all.

    Args:
        network: The network.
        dataset: The samples.
        settings: TTD settings by label.
        repeats: Runs of each, after one that warms up; the median counts.
        done: Ids and labels that an earlier run has.
        device: Where it is computed; the CPU by default.

    Yields:
        A row per image and setting, ``static`` first: milliseconds and ratio.
    """
    device = device or torch.device("cpu")
    modules = {}
    for label, ttd in settings.items():
        modules[label] = FusionModule(network, ttd=ttd).to(device)
        modules[label].datasets = [dataset]  # that an automatic channel is chosen on
    for index, id_ in enumerate(dataset.ids):
        if all((id_, label) in done for label in (STATIC, *settings)):
            continue
        batch = {
            key: value.to(device) if isinstance(value, Tensor) else value
            for key, value in collate([dataset[index]]).items()
        }
        for label, values in _medians(modules, batch, repeats).items():
            if (id_, label) not in done:
                yield Row(id_, label, values)


def _medians(
    modules: Mapping[str, FusionModule], batch: dict[str, Any], repeats: int
) -> dict[str, list[float]]:
    taken: dict[str, list[tuple[float, float]]] = {label: [] for label in modules}
    for turn in range(1 + repeats):
        for label, module in modules.items():
            milliseconds = module.fuse(batch)[1]
            if turn > 0:
                taken[label].append((milliseconds["static"], milliseconds["ttd"]))
    static = median(first for pairs in taken.values() for first, _ in pairs)
    dynamic = {
        label: [median(second for _, second in pairs), median(b / a for a, b in pairs)]
        for label, pairs in taken.items()
    }
    return {STATIC: [static, 1.0], **dynamic}
