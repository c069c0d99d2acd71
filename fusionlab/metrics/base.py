"""What every metric shares: its checks, its precision, and the mean over images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from fusionlab.errors import InputError
from fusionlab.metrics.shared import shared


def check_grey(**images: Tensor) -> None:
    """Raise ValueError unless all images are floating point, (B, 1, H, W) and of one shape."""
    first = next(iter(images))
    for name, image in images.items():
        if image.ndim != 4 or image.shape[1] != 1 or image.numel() == 0:
            raise ValueError(f"{name} must be (B, 1, H, W), got {tuple(image.shape)}")
        if not image.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {image.dtype}; use .float()")
        if image.shape != images[first].shape:
            sizes = f"{tuple(images[first].shape)} and {tuple(image.shape)}"
            raise ValueError(f"{first} and {name} must be the same size, got {sizes}")


def check_sources(fused: Tensor, sources: Tensor) -> None:
    """Raise ValueError unless ``sources`` is (B, M, 1, H, W) beside a (B, 1, H, W) ``fused``."""
    check_grey(fused=fused)
    b, _, h, w = fused.shape
    if sources.ndim != 5 or sources.shape[1] < 1 or sources.shape != (b, sources.shape[1], 1, h, w):
        expected = f"({b}, M, 1, {h}, {w}) to match fused"
        raise ValueError(f"sources must be {expected}, got {tuple(sources.shape)}")
    if not sources.is_floating_point():
        raise ValueError(f"sources must be floating point, got {sources.dtype}; use .float()")


def check_size(metric: str, minimum: int, image: Tensor) -> None:
    """Raise ValueError if ``image`` is lower or narrower than the metric can measure."""
    height, width = image.shape[-2:]
    if min(height, width) < minimum:
        needs = f"{metric} needs images of at least {minimum} x {minimum} pixels"
        raise ValueError(f"{needs}, got {height} x {width}")


def check_range(**images: Tensor) -> None:
    """Raise ValueError if an image has a value outside [0, 255] or NaN."""
    for name, image in images.items():
        low, high = (bound.item() for bound in image.detach().aminmax())
        if not (low >= 0 and high <= 255):
            raise ValueError(f"{name} must lie in [0, 255], got values from {low:g} to {high:g}")


def working_dtype(device: torch.device) -> torch.dtype:
    """Double precision wherever the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


@shared
def precise(image: Tensor) -> Tensor:
    """The image in the precision in which all metrics are computed."""
    return image.to(working_dtype(image.device)).contiguous()


def pixel_mean(values: Tensor) -> Tensor:
    """Mean over the last two dimensions.

    Rows first: one long sum would be split over the threads and depend on their number.
    """
    return values.mean(dim=-1).mean(dim=-1)


class _Root(torch.autograd.Function):
    """Square root, correctly rounded on every kind of CPU; its gradient at 0 is 0."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        """PyTorch's own is MKL's on a CPU, which may err in the last bit."""
        if values.device.type == "cpu":
            with np.errstate(invalid="ignore"):
                roots = torch.as_tensor(np.sqrt(values.detach().numpy()))
        else:
            roots = values.sqrt()
        context.save_for_backward(roots)
        return roots

    @staticmethod
    def backward(context: Any, slopes: Tensor) -> Tensor:
        """1 / (2 √x), and 0 at 0."""
        (roots,) = context.saved_tensors
        zero = roots == 0
        return (slopes / (2 * roots.masked_fill(zero, 1))).masked_fill(zero, 0)


def root(values: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0 instead of infinite.

    Correctly rounded: of two gradients that are equal but for rounding, a CPU must not decide
    whether they are equal.
    """
    return _Root.apply(values)


def rounded(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """A function of values, computed in double precision and rounded to theirs.

    In single precision PyTorch's functions are rounded otherwise on each kind of CPU.
    """
    return function(values.to(working_dtype(values.device))).to(values.dtype)


@shared
def level_histogram(image: Tensor) -> Tensor:
    """Relative frequencies of the 256 grey levels, (B, 256), of (B, 1, H, W) in [0, 255]."""
    levels = precise(image).round().long().flatten(1)  # round half to even
    batch, pixels = levels.shape
    offsets = 256 * torch.arange(batch, device=levels.device)[:, None]
    counts = torch.bincount((levels + offsets).flatten(), minlength=256 * batch)
    return counts.view(batch, 256).to(working_dtype(image.device)) / pixels


def ordered_mean(values: Tensor) -> Tensor:
    """Mean of (N,) values, the same to the last bit in whatever order they came; NaN of none."""
    return values.sort().values.mean()


def joined(rows: list[Tensor] | Tensor, empty: Tensor) -> Tensor:
    """The rows of a state that is a list until torchmetrics gathers it; ``empty`` if none."""
    if isinstance(rows, Tensor):
        return rows
    return torch.cat(rows) if rows else empty


def merge(rows: list[Tensor]) -> None:
    """Make few large tensors of a state's many small ones.

    Those would leave holes of an image's size in memory between them.
    """
    while len(rows) > 1 and len(rows[-2]) <= len(rows[-1]):
        rows[-2:] = [torch.cat(rows[-2:])]


@dataclass(frozen=True)
class Convention:
    """One of the forms in which a metric is in circulation.

    Args:
        text: What is computed, in one line; bugs of an original are called so.
        options: Keyword arguments of the metric's function that give this form.
        minimum_size: Least height and width, where they are not the metric's.
        source_count: Number of sources it takes, where that is not the metric's.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    minimum_size: int | None = None
    source_count: int | None = None


class ImageMean(Metric):
    """Mean of one value per image over all images seen, on all processes; NaN if none was.

    Every image is scored on its own and its value is kept, so the mean is the same to the
    last bit for any batch size, order and number of processes.

    Args:
        convention: A key of ``conventions``; the default is the first, the paper's own definition.

    Raises:
        InputError: If the metric has no such convention.
    """

    name: ClassVar[str]
    long_name: ClassVar[str]
    conventions: ClassVar[Mapping[str, Convention]]
    of_colour: ClassVar[Mapping[str, Callable[[Tensor], Tensor]]] = {}
    """By convention, the picture of one channel that its program makes of RGB, if not each channel
    by itself; see :mod:`fusionlab.metrics.per_channel`."""
    minimum_size: int = 1  # of height and width
    source_count: int | None = None  # None: any number
    bytes_per_pixel: int = 120  # at its peak, of two sources, roughly
    full_state_update = False

    def __init__(self, convention: str | None = None) -> None:
        super().__init__()
        self.convention_name = convention or next(iter(self.conventions))
        if self.convention_name not in self.conventions:
            known = ", ".join(self.conventions)
            raise InputError(f"{self.name} has no convention {convention!r}; it has {known}")
        chosen = self.conventions[self.convention_name]
        self.convention = chosen.text
        self.options = dict(chosen.options)
        self.minimum_size = chosen.minimum_size or self.minimum_size
        self.source_count = chosen.source_count or self.source_count
        # its own name: MetricCollection merges metrics whose states agree on the first batch,
        # as those of several metrics do on a flat image
        self.state = f"{self.name.lower()}_{self.convention_name}_values"
        self.add_state(self.state, [], dist_reduce_fx="cat")

    @abstractmethod
    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per image, (B,)."""

    def image_scores(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per image, (B,), none of them touched by what else is in the batch."""
        pairs = zip(fused.split(1), sources.split(1), strict=True)
        return torch.cat([self.score(*pair) for pair in pairs])

    def update(self, fused: Tensor, sources: Tensor) -> None:
        """Score and keep a batch: ``fused`` (B, 1, H, W), ``sources`` (B, M, 1, H, W)."""
        check_sources(fused, sources)
        rows = getattr(self, self.state)
        rows.append(self.image_scores(fused, sources))
        merge(rows)

    def compute(self) -> Tensor:
        """Mean over all images, 0-dim."""
        return ordered_mean(self._joined_values())

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather all processes; torchmetrics would send an empty list as float32 and fail."""
        setattr(self, self.state, [self._joined_values()])
        super().sync(*args, **kwargs)

    def _joined_values(self) -> Tensor:
        empty = torch.empty(0, dtype=working_dtype(self.device), device=self.device)
        return joined(getattr(self, self.state), empty)
