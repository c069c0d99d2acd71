"""The theorem of TTD over a data set: Eq. 4 and 5 for every image, and their means.

The mathematics is :mod:`fusionlab.ttd.theorem`.
Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fusionlab.metrics.base import working_dtype
from fusionlab.metrics.per_image import PerImageValues
from fusionlab.ttd.dominability import WINDOWED
from fusionlab.ttd.theorem import (
    Bound,
    fusion_error,
    generalisation_bound,
    truth_bound,
    weight_shares,
)

OF_SOURCE = ("weight", "loss", "covariance", "truth_loss", "truth_covariance")
"""E[ω], E[ℓ] and Cov(ω, ℓ) of a source; the last two with its component held against the truth."""

OF_IMAGE = (
    "covariance_sum",
    "covariance_is_negative",
    "static_bound",
    "dynamic_bound",
    "dynamic_is_lower",
    "static_error",
    "dynamic_error",
    "static_truth_bound",
    "dynamic_truth_bound",
)
"""Σ Cov(ω, ℓ) of an image and whether it is negative, 1 or 0; GEB and whether Eq. 5 holds, 1 or 0
(NaN where GEB is); where there is a truth the errors, Eq. 4's left sides, and GEB against it."""

COLUMNS = (*OF_SOURCE, *OF_IMAGE)  # of a line, see TheoremValues.lines

LOSSES = ("l1", "mse", *WINDOWED)


class AgainstTruth(NamedTuple):
    """A ground truth and what is held against it, for B images with M sources."""

    truth: Tensor
    """(B, C, H, W) in [0, 1]."""
    components: Tensor
    """Uni-source components, (B, M, C, H, W), unclamped."""
    static: Tensor
    """Static fused images, (B, C, H, W), unclamped."""
    dynamic: Tensor
    """Dynamic fused images, (B, C, H, W), unclamped."""


class TheoremValues(PerImageValues):
    """Covariances of weights and losses, and both sides of Eq. 4, of every image seen.

    Convention: moments over the pixels of one image, in double precision; the bounds lack the
    constant of Eq. 4, so an error may exceed them. Those against the truth lack nothing; no error
    exceeds them if the loss is convex (l1, mse), the rule the mean and the decoder linear. Weights
    enter as shares ω/Σω: with the normalizations ``peak`` and ``none`` they do not sum to 1, and
    the bounds are of the shares, not of what was fused. Means over the images do not depend on
    batch size, order or number of processes.

        theorem = TheoremValues(["vi", "ir"])
        theorem.update(result.weights, result.losses)  # of TTD that compares the components
        theorem.compute()["covariance/ir"]

    :meth:`compute` has the means over the images by ``<value>/<source>`` of ``OF_SOURCE`` and by
    the names in ``OF_IMAGE``, so of what is 1 or 0 the share of images; NaN where none has a value.

    Args:
        sources: Names of all sources; an image may have some of them.
        loss: ``l1``, ``mse``, ``ssim`` or ``structure``: of the errors and the bounds against a
            truth.

    Raises:
        ValueError: If the loss is unknown, or a name comes twice.
    """

    def __init__(self, sources: Sequence[str], loss: str = "l1") -> None:
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        self.sources, self.loss = tuple(sources), loss
        own = [f"{value}/{source}" for source in sources for value in OF_SOURCE]
        super().__init__([*own, *OF_IMAGE])

    def update(  # type: ignore[override]  # one row per image, here made from maps
        self,
        weights: Tensor,
        losses: Tensor,
        index: Tensor | None = None,
        names: Sequence[Sequence[str]] | None = None,
        against: AgainstTruth | None = None,
    ) -> None:
        """Measure and keep a batch.

        Args:
            weights: RD, ω ≥ 0, (B, M, 1, H, W).
            losses: ℓ of the uni-source components, (B, M, 1, H, W).
            index: As for :class:`PerImageValues`.
            names: Names of the M sources of each image. Default: all, in their order.
            against: The ground truth, if there is one.

        Raises:
            ValueError: If there is no image, or a shape or name does not fit.
        """
        super().update(self.image_values(weights, losses, names, against), index)

    def image_values(
        self,
        weights: Tensor,
        losses: Tensor,
        names: Sequence[Sequence[str]] | None = None,
        against: AgainstTruth | None = None,
    ) -> Tensor:
        """Every value of every image, (B, K), as :meth:`update` keeps them; NaN if undefined."""
        _check_maps(weights, losses)
        names = [self.sources] * len(weights) if names is None else names
        self._check_names(names, weights)
        if against is not None:
            _check_against(against, weights)
        kind = working_dtype(weights.device)
        rows = []
        for k, own in enumerate(names):
            shares = weight_shares(weights[k : k + 1].to(kind))
            cells = _sides(generalisation_bound(shares, losses[k : k + 1].to(kind)))
            if against is not None:
                one = AgainstTruth(*(images[k : k + 1].to(kind) for images in against))
                cells |= _truth_sides(shares, one, self.loss)
            rows.append(self._of_one(own, cells))
        return torch.tensor(rows, dtype=kind, device=weights.device)

    def lines(self, values: Sequence[float], names: Sequence[str]) -> dict[str, list[float]]:
        """The row of an image as a line for each of its sources, in the order of ``COLUMNS``."""
        cells = dict(zip(self.names, values, strict=True))
        of_image = [cells[value] for value in OF_IMAGE]
        return {
            name: [*(cells[f"{value}/{name}"] for value in OF_SOURCE), *of_image] for name in names
        }

    def row(self, lines: Mapping[str, Sequence[float]]) -> list[float]:
        """The row of an image that :meth:`lines` made these of, (K,)."""
        of_source = {
            f"{value}/{name}": number
            for name, line in lines.items()
            for value, number in zip(OF_SOURCE, line, strict=False)
        }
        of_image = zip(OF_IMAGE, next(iter(lines.values()))[len(OF_SOURCE) :], strict=True)
        cells = of_source | dict(of_image)
        return [cells.get(name, torch.nan) for name in self.names]

    def _check_names(self, names: Sequence[Sequence[str]], weights: Tensor) -> None:
        images, maps = weights.shape[:2]
        if len(names) != images:
            raise ValueError(
                f"names must be one list for each of {images} images, got {len(names)}"
            )
        for own in names:
            if len(own) != maps or len(set(own)) < maps or not set(own) <= set(self.sources):
                expected = f"{maps} different names among {list(self.sources)}"
                raise ValueError(
                    f"an image with {maps} maps needs {expected}, got {list(own)}; set names"
                )

    def _of_one(self, names: Sequence[str], cells: Mapping[str, list[float]]) -> list[float]:
        """The values of an image in the order of the columns."""
        own = {
            f"{value}/{name}": number
            for value in OF_SOURCE
            if value in cells
            for name, number in zip(names, cells[value], strict=True)
        }
        own |= {value: cells[value][0] for value in OF_IMAGE if value in cells}
        return [own.get(name, torch.nan) for name in self.names]


def _check_maps(weights: Tensor, losses: Tensor) -> None:
    got = tuple(weights.shape)
    if len(got) != 5 or got[2] != 1 or weights.numel() == 0:
        raise ValueError(f"weights must be (B, M, 1, H, W) of at least one image, got {got}")
    if losses.shape != got:
        raise ValueError(
            f"losses must be one map for each map of the weights, {got}, got {tuple(losses.shape)}"
        )


def _check_against(against: AgainstTruth, weights: Tensor) -> None:
    b, m, _, h, w = weights.shape
    c = against.truth.shape[1] if against.truth.ndim == 4 else 1
    for name, images in against._asdict().items():
        expected = (b, m, c, h, w) if name == "components" else (b, c, h, w)
        if images.shape != expected:
            raise ValueError(
                f"against.{name} must be {expected} to match the weights and the truth, "
                f"got {tuple(images.shape)}"
            )


def _sides(bound: Bound) -> dict[str, list[float]]:
    """Eq. 4 of one image: by value, of all sources or of the image; NaN if undefined."""

    def claim(holds: Tensor) -> list[float]:
        return holds.to(bound.dynamic).where(~bound.dynamic.isnan(), torch.nan).tolist()

    return {
        "weight": bound.weights[0].tolist(),
        "loss": bound.losses[0].tolist(),
        "covariance": bound.covariances[0].tolist(),
        "covariance_sum": bound.covariances.sum(1).tolist(),
        "covariance_is_negative": claim(bound.covariance_is_negative),
        "static_bound": bound.static.tolist(),
        "dynamic_bound": bound.dynamic.tolist(),
        "dynamic_is_lower": claim(bound.dynamic_is_lower),
    }


def _truth_sides(shares: Tensor, against: AgainstTruth, loss: str) -> dict[str, list[float]]:
    """Both sides against the truth, of one image."""
    truth, components, static, dynamic = against
    bound = truth_bound(shares, components, truth, loss)
    return {
        "truth_loss": bound.losses[0].tolist(),
        "truth_covariance": bound.covariances[0].tolist(),
        "static_error": fusion_error(static, truth, loss).tolist(),
        "dynamic_error": fusion_error(dynamic, truth, loss).tolist(),
        "static_truth_bound": bound.static.tolist(),
        "dynamic_truth_bound": bound.dynamic.tolist(),
    }
