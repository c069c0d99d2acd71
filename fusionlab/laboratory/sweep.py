"""Many settings of TTD on the same images: each is read and encoded once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fusionlab.data.batches import SameShapeBatches, collate
from fusionlab.data.colour import grey_levels
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.laboratory.encoded import EncodedBatch
from fusionlab.metrics import FusionMetrics, ImageMean, TruthPSNR, TruthSSIM
from fusionlab.networks import FusionNetwork
from fusionlab.settings import TTD
from fusionlab.training.dynamic import calibrated_channel, dynamic_fusion, seen_by
from fusionlab.training.module import stretched, viewable_image
from fusionlab.ttd import TestTimeDynamicFusion

STATIC = "static"  # the row of the network without TTD


class Row(NamedTuple):
    """What one setting is worth on one image."""

    id: str
    setting: str
    """Its label, or ``static``."""
    values: list[float]
    """PSNR and SSIM to the truth (NaN if there is none), then the metrics."""


class Scorer:
    """Scores fused images exactly as an evaluation does.

    Args:
        metrics: The no-reference metrics.
        stretch: Whether fused images are stretched to the full range first.
    """

    def __init__(self, metrics: Sequence[ImageMean], stretch: bool) -> None:
        self.metrics, self.stretch = metrics, stretch
        self.truth = (TruthPSNR(), TruthSSIM())

    @property
    def by_name(self) -> dict[str, ImageMean]:
        """The K metrics in the order of the values."""
        tables = (FusionMetrics(self.truth), FusionMetrics(self.metrics))
        return {name: one for table in tables for name, one in table.metrics_by_name().items()}

    def values(self, fused: Tensor, batch: dict[str, Any]) -> list[list[float]]:
        """Score a network's output, (B, C, H, W); one row of K values per image."""
        image = stretched(fused) if self.stretch else fused
        in_rgb = batch["sources"].shape[2] == 3
        grey = grey_levels(viewable_image(image, batch["chroma"], in_rgb)).float()
        rows = _measured(self.metrics, grey, batch["grey"].float())
        if "reference" not in batch:
            return [[float("nan")] * len(self.truth) + row for row in rows]
        truth = _measured(self.truth, grey, batch["reference"].float().unsqueeze(1))
        return [first + row for first, row in zip(truth, rows, strict=True)]


@torch.inference_mode()
def sweep(
    network: FusionNetwork,
    dataset: FusionDataset,
    settings: Mapping[str, TTD],
    scorer: Scorer,
    *,
    done: Collection[tuple[str, str]] = (),
    batch_size: int = 1,
    workers: int = 0,
    device: torch.device | None = None,
) -> Iterator[Row]:
    """Fuse and score every sample statically and with every setting.

    Args:
        network: The network, on ``device``.
        dataset: The samples.
        settings: TTD settings by label.
        scorer: The metrics.
        done: Ids and labels that an earlier run has; samples that have all are not even read.
        batch_size: Most images of one size that are fused at once.
        workers: Processes that read images.
        device: Where it is computed; the CPU by default.

    Yields:
        A row per image and setting, ``static`` first.

    Raises:
        InputError: If an image is not finite, or a setting does not fit the network.
    """
    device = device or torch.device("cpu")
    labels = (STATIC, *settings)
    batches = [
        batch
        for batch in SameShapeBatches(dataset, batch_size).batches
        if any((dataset.ids[index], label) not in done for index in batch for label in labels)
    ]
    if not batches:
        return
    wrappers = _wrappers(network, dataset, settings, device)
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=collate)
    for batch in loader:
        batch = {key: _moved(value, device) for key, value in batch.items()}
        for label, fused in _fused(network, batch, wrappers):
            if not torch.isfinite(fused).all():
                names = ", ".join(batch["id"])
                raise InputError(
                    f"{names} fused to NaN or infinity ({label}); check the checkpoint, or leave "
                    "out that setting"
                )
            for id_, values in zip(batch["id"], scorer.values(fused, batch), strict=True):
                if (id_, label) not in done:
                    yield Row(id_, label, values)


def _wrappers(
    network: FusionNetwork,
    dataset: FusionDataset,
    settings: Mapping[str, TTD],
    device: torch.device,
) -> dict[str, TestTimeDynamicFusion]:
    """TTD by label; an automatic channel is that of the data set, as in an evaluation."""
    found = {label: dynamic_fusion(network, asdict(ttd)) for label, ttd in settings.items()}
    for dynamic in found.values():
        if dynamic.channel == "auto":
            dynamic.channel = calibrated_channel(dynamic, dataset, device)
    return found


def _fused(
    network: FusionNetwork, batch: dict[str, Any], wrappers: dict[str, TestTimeDynamicFusion]
) -> Iterator[tuple[str, Tensor]]:
    """The output of every setting, one at a time."""
    encoded = EncodedBatch(network, seen_by(network, batch["sources"]))
    yield STATIC, encoded.static
    # neighbours share their gradients
    for label, dynamic in sorted(wrappers.items(), key=lambda one: (one[1].compare, one[1].loss)):
        yield label, encoded.fuse(dynamic)


def _measured(metrics: Sequence[ImageMean], grey: Tensor, others: Tensor) -> list[list[float]]:
    table = FusionMetrics(metrics)
    table.update(grey, others)
    return table.per_image()[1].tolist()


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value
