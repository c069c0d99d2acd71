"""Several metrics side by side: one row per image, one column per metric."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.metrics.base import (
    ImageMean,
    check_range,
    check_sources,
    working_dtype,
)
from fusionlab.metrics.per_image import PerImageValues
from fusionlab.metrics.presets import open_metrics
from fusionlab.metrics.shared import keeping, sharing

LARGE = 2**22  # pixels


class FusionMetrics(PerImageValues):
    """The values of several metrics for every image, and their means over all processes.

    What several metrics need of an image is computed once. A metric that is not defined for the
    number of sources of an image (``source_count``) is NaN there and left out of the mean. An image
    whose index was seen before counts once.

    Args:
        metrics: A preset, or metrics in the order of the table, by name as for ``open_metrics``
            (``"EI:mefb"``) or made.

    Raises:
        InputError: If there is no such preset or metric.
        ValueError: If there is no metric, or one is named twice.
    """

    def __init__(self, metrics: str | Sequence[str | ImageMean] = "ttd") -> None:
        if isinstance(metrics, str):
            opened = open_metrics(metrics)
        else:
            opened = [
                open_metrics(names=[metric])[0] if isinstance(metric, str) else metric
                for metric in metrics
            ]
        super().__init__(column_names(opened))
        self.metrics = tuple(opened)

    @property
    def minimum_size(self) -> int:
        """Smallest height and width that every metric accepts."""
        return max(metric.minimum_size for metric in self.metrics)

    def check_image(self, name: str, height: int, width: int) -> None:
        """Refuse an image that a metric cannot measure.

        Raises:
            InputError: Naming the image and the metric that needs most.
        """
        if min(height, width) < self.minimum_size:
            neediest = max(self.metrics, key=lambda metric: metric.minimum_size)
            raise InputError(
                f"{name} is {width}x{height} pixels, {neediest.name} needs "
                f"{self.minimum_size}x{self.minimum_size}; leave it out, or choose metrics.names "
                "without that metric"
            )

    def larger_than(self, free: float, pixels: int, source_count: int) -> list[str]:
        """Metrics of an image that need more memory than is free, by their short names.

        Args:
            free: Bytes.
            pixels: Of the image.
            source_count: Number of its sources.
        """
        needed = pixels * max(1.0, source_count / 2)
        pairs = zip(self.names, self.metrics, strict=True)
        return [name for name, one in pairs if one.bytes_per_pixel * needed > free]

    @property
    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by short name."""
        return {
            name: f"{metric.convention_name}: {metric.convention}"
            for name, metric in self.metrics_by_name().items()
        }

    @property
    def forms(self) -> str:
        """The conventions in a few words, for the head of a table."""
        used = [metric.convention_name for metric in self.metrics]
        if len(set(used)) == 1:
            return f"{used[0]} convention"
        forms = [f"{metric.name}:{metric.convention_name}" for metric in self.metrics]
        return f"conventions {' '.join(forms)}"

    def metrics_by_name(self) -> dict[str, ImageMean]:
        """The metrics by the names of their columns."""
        return dict(zip(self.names, self.metrics, strict=True))

    def update(  # type: ignore[override]  # one row per image, here made from images
        self, fused: Tensor, sources: Tensor, index: Tensor | None = None
    ) -> None:
        """Score and keep a batch.

        Args:
            fused: Fused images, (B, 1, H, W), in [0, 255].
            sources: Their sources, (B, M, 1, H, W), in [0, 255].
            index: Position of each image in the data set, (B,), int64 from 0. Without it
                images are numbered as they come and none is taken for a repetition.

        Raises:
            ValueError: If a shape does not fit, a value leaves [0, 255], or an image is smaller
                than a metric needs.
        """
        super().update(self.image_values(fused, sources), index)

    def image_values(self, fused: Tensor, sources: Tensor) -> Tensor:
        """Every metric of every image of a batch, (B, K), as :meth:`update` keeps them."""
        check_sources(fused, sources)
        check_range(fused=fused, sources=sources)
        batch, source_count = sources.shape[:2]
        if batch == 1:  # no new tensors, so that what is kept of the sources is found
            return self._row(fused, sources, source_count)
        rows = [self._row(fused[k : k + 1], sources[k : k + 1], source_count) for k in range(batch)]
        return torch.cat(rows)

    def values_of_one(self, pictures: Iterable[Tensor], sources: Tensor) -> Tensor:
        """Every metric of N pictures of the same sources, (N, K).

        What metrics need of the sources alone is computed once.

        Args:
            pictures: Fused images, (1, 1, H, W) each, in [0, 255].
            sources: Their sources, (1, M, 1, H, W), in [0, 255].
        """
        with nullcontext() if _is_large(sources) else keeping(sources):
            return torch.cat([self.image_values(picture, sources) for picture in pictures])

    def _row(self, fused: Tensor, sources: Tensor, source_count: int) -> Tensor:
        """Every metric of one image, (1, K)."""
        undefined = torch.full((1,), torch.nan, dtype=working_dtype(fused.device))
        undefined = undefined.to(fused.device)
        with nullcontext() if _is_large(fused) else sharing():
            values = [
                self._value(metric, fused, sources)
                if metric.source_count in (None, source_count)
                else undefined
                for metric in self.metrics
            ]
        return torch.stack(values, dim=1)

    def _value(self, metric: ImageMean, fused: Tensor, sources: Tensor) -> Tensor:
        """One metric of one image, which leaves nothing behind if that is large."""
        with sharing() if _is_large(fused) else nullcontext():
            return metric.score(fused, sources)


def _is_large(images: Tensor) -> bool:
    """Whether what metrics share of (..., H, W) would take gigabytes."""
    return images.shape[-2] * images.shape[-1] > LARGE


def column_names(metrics: Sequence[ImageMean]) -> list[str]:
    """Short names, with the convention where a metric comes in several."""
    names = [metric.name for metric in metrics]
    return [
        name if names.count(name) == 1 else f"{name}:{metric.convention_name}"
        for name, metric in zip(names, metrics, strict=True)
    ]
