"""Values that belong to images, gathered from all processes: one row per image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from fusionlab.metrics.base import joined, merge, ordered_mean, working_dtype

UNNUMBERED = -1


class PerImageValues(Metric):
    """Keeps a row of values for every image, and their means over all processes.

    An image whose index was seen before counts once: a distributed sampler repeats images to
    give all processes the same number. NaN means not defined and is left out of the mean.

    Args:
        names: Short names of the K columns.

    Raises:
        ValueError: If there is no name, or one comes twice.
    """

    full_state_update = False
    is_differentiable = False

    rows: list[Tensor]  # each (B, 1 + K): the index and the values

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        if not names or len(set(names)) < len(names):
            raise ValueError(f"names must be one or more different ones, got {list(names)}")
        self.names = tuple(names)
        self.add_state("rows", [], dist_reduce_fx="cat")
        self._table: tuple[Tensor, Tensor] | None = None

    def update(self, values: Tensor, index: Tensor | None = None) -> None:
        """Keep a batch.

        Args:
            values: One row per image, (B, K).
            index: Position of each image in the data set, (B,), int64 from 0. Without it
                images are numbered as they come and none is taken for a repetition.

        Raises:
            ValueError: If a shape does not fit.
        """
        batch = len(values)
        if values.shape != (batch, len(self.names)):
            expected = f"({batch}, {len(self.names)})"
            raise ValueError(f"values must be {expected}, got {tuple(values.shape)}")
        if index is None:
            index = torch.full((batch,), UNNUMBERED, device=values.device)
        elif index.dtype != torch.int64 or index.shape != (batch,) or index.min() < 0:
            raise ValueError(f"index must be ({batch},) int64 from 0, got {index}")
        values = values.detach().to(working_dtype(values.device))
        self.rows.append(torch.cat([index.to(values)[:, None], values], dim=1))
        merge(self.rows)

    def compute(self) -> dict[str, Tensor]:
        """Mean of each column over the images for which it is defined, by name."""
        self._table = _first_of_each_index(self._joined_rows())
        columns = self._table[1].unbind(dim=1)
        means = [ordered_mean(column[~column.isnan()]) for column in columns]
        return dict(zip(self.names, means, strict=True))

    def per_image(self) -> tuple[Tensor, Tensor]:
        """Index, (N,), and values, (N, K), of every image on every process, sorted by index.

        All processes must call this or :meth:`compute`; after that each has the table.
        """
        self.compute()  # kept by torchmetrics until the next update
        assert self._table is not None
        return self._table

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather all processes; torchmetrics would send an empty list as float32 and fail."""
        self.rows = [self._joined_rows()]
        super().sync(*args, **kwargs)

    def _joined_rows(self) -> Tensor:
        columns = 1 + len(self.names)
        empty = torch.empty(0, columns, dtype=working_dtype(self.device), device=self.device)
        return joined(self.rows, empty)


def _first_of_each_index(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Indices, (N,), and values, (N, K), sorted by index; of a repeated index the first row."""
    indices, values = rows[:, 0].long(), rows[:, 1:]
    unnumbered = indices == UNNUMBERED
    if unnumbered.all():
        return torch.arange(len(rows), device=rows.device), values
    if unnumbered.any():
        raise ValueError("index was given for some images only; give it in every update or none")
    order = indices.argsort(stable=True)
    indices, values = indices[order], values[order]
    first = torch.ones_like(indices, dtype=torch.bool)
    first[1:] = indices[1:] != indices[:-1]
    return indices[first], values[first]
