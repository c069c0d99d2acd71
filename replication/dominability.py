"""How Relative Dominability (RD) answers to a mask and to lost contrast, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.figures.corruptions import SEVERITIES, corrupt
from fusionlab.figures.probes import Box, dominability_under, masked_dominability
from fusionlab.laboratory.replication.measure import Measurement
from fusionlab.laboratory.replication.places import Weights, at, place, setting_place
from fusionlab.laboratory.replication.settings import default_label
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion

LARGEST = 192  # pixels a side; of larger images the middle is probed
BOX = (0.25, 0.25, 0.75, 0.75)  # what is masked: left, top, right, bottom
VISIBLE = 0  # index of the visible image among the sources
FADING = "contrast"  # the corruption that takes contrast


class Probed(NamedTuple):
    """Mean RD of a source before and after something was done to it, on N images."""

    weights: str
    rule: str
    default: str
    """Label of the package's default setting."""
    data: str
    ids: list[str]
    sources: tuple[str, ...]
    """Names of the M sources."""
    values: dict[str, dict[str, np.ndarray]]
    """By setting and :func:`masked` or :func:`faded`: (N, 2), before and after."""


def masked(source: int) -> str:
    """Name of the probe that masks a source: mean RD of it in the box."""
    return f"mask {source}"


def faded(severity: float) -> str:
    """Name of the probe that takes contrast from the visible image: its mean RD everywhere."""
    return f"contrast {severity:g}"


def contrast_left() -> float:
    """Share of its contrast that the last severity leaves to an image, in [0, 1]."""
    faintest = corrupt(torch.tensor([[[0.0, 1.0]]]), FADING, SEVERITIES[-1])
    return float(faintest.max() - faintest.min())


def probe(
    measurement: Measurement,
    weights: Weights,
    dataset: FusionDataset,
    settings: Mapping[str, TTD],
) -> Probed:
    """RD of every image before and after each probe, as :mod:`fusionlab.figures` has it.

    Args:
        measurement: Keeps the values.
        weights: Of the network.
        dataset: Images of two or more sources, the visible one first.
        settings: TTD settings by label; the default is probed too.
    """
    network = weights.network(dataset)
    key = place(weights, network, dataset)
    default = default_label(network.takes_largest)
    values = {}
    for label, ttd in {**settings, default: TTD().resolved(network.takes_largest)}.items():
        dynamic = TestTimeDynamicFusion(network, **ttd.choices())
        kept = (*key, setting_place(label, ttd))
        done = at(measurement.dominability, kept)
        for index, id_ in enumerate(dataset.ids):
            if (id_, faded(SEVERITIES[-1])) in done:  # the last of its probes
                measurement.kept += sum(id_ == own for own, _ in done)
                continue
            found = _probes(dynamic, _middle(dataset[index]["sources"]))
            rows = [((*kept, id_, name), pair) for name, pair in found]
            measurement.dominability.append_all(rows)
        values[label] = _arrays(at(measurement.dominability, kept), dataset.ids)
    rule, names = str(network.options["rule"]), dataset.source_names[0]
    return Probed(weights.name, rule, default, dataset.name, dataset.ids, names, values)


def _probes(
    dynamic: TestTimeDynamicFusion, sources: Tensor
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Every probe of one sample, (M, C, H, W)."""
    box = Box.within(BOX, *sources.shape[-2:])
    for source in range(len(sources)):
        yield masked(source), masked_dominability(dynamic, sources, source, box).inside
    means = dominability_under(dynamic, [(sources, VISIBLE)], FADING).per_image[0]
    for severity, mean in zip(SEVERITIES[1:], means[1:], strict=True):
        yield faded(severity), (float(means[0]), float(mean))


def _middle(sources: Tensor) -> Tensor:
    height, width = sources.shape[-2:]
    top, left = max(0, height - LARGEST) // 2, max(0, width - LARGEST) // 2
    return sources[..., top : top + LARGEST, left : left + LARGEST]


def _arrays(
    rows: Mapping[tuple[str, str], list[float]], ids: Sequence[str]
) -> dict[str, np.ndarray]:
    names = dict.fromkeys(name for _, name in rows)
    return {name: np.array([rows[id_, name] for id_ in ids]) for name in names}
