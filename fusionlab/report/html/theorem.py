"""The theorem of TTD, image by image and over the images that are done."""

from __future__ import annotations

from typing import Any

import numpy as np

from fusionlab.report.html.gallery import in_order
from fusionlab.report.run import Sample

OF_SOURCE = ("weight", "loss", "covariance")
SIDES = ("bound", "truth_bound", "error")
ROWS = ("static", "dynamic")  # of a side, in columns of their own


def sample_theorem(sample: Sample) -> dict[str, Any] | None:
    """Of one image; None where it was not measured.

    Returns:
        ``sources``: lists of a name, E[ω], E[ℓ] and Cov(ω, ℓ); ``sides``: lists of one of ``SIDES``
        and its static and dynamic value.
    """
    if not sample.theorem:
        return None
    of_image = next(iter(sample.theorem.values()))
    return {
        "sources": [
            [name, *(found.get(value, np.nan) for value in OF_SOURCE)]
            for name, found in sample.theorem.items()
        ],
        "sides": [
            [side, *(of_image.get(f"{row}_{side}", np.nan) for row in ROWS)]
            for side in SIDES
            if f"static_{side}" in of_image
        ],
    }


def mean_theorem(declared: list[str], samples: list[Sample]) -> dict[str, Any] | None:
    """Means over the images; None where it was measured on none.

    Args:
        declared: Names of the sources, in their order.
        samples: Those of one data set.

    Returns:
        ``images``, the number of those that have a GEB; ``holds``, the share of them on which Eq. 5
        does; ``negative``, that of those whose covariances sum to less than 0; ``sources`` with
        ``source``, ``images`` and means by ``OF_SOURCE``; ``sides`` with one of ``SIDES``, the
        means ``static`` and ``dynamic``, and ``lower``, the share of images in which the dynamic
        one is lower: for ``bound`` as ``holds``. NaN where no image has a value.
    """
    measured = [sample for sample in samples if sample.theorem]
    if not measured:
        return None
    of_image = [next(iter(sample.theorem.values())) for sample in measured]
    names = in_order(declared, (name for sample in measured for name in sample.theorem))
    holds = _column(of_image, "dynamic_is_lower")
    sides = [_mean_sides(side, of_image) for side in SIDES]
    return {
        "images": int((~np.isnan(holds)).sum()),
        "holds": _mean(holds),
        "negative": _mean(_column(of_image, "covariance_is_negative")),
        "sources": [_mean_of_source(name, measured) for name in names],
        "sides": [one for one in sides if not np.isnan(one["static"])],
    }


def _mean_of_source(name: str, measured: list[Sample]) -> dict[str, Any]:
    own = [sample.theorem[name] for sample in measured if name in sample.theorem]
    means = {value: _mean(_column(own, value)) for value in OF_SOURCE}
    return {"source": name, "images": len(own), **means}


def _mean_sides(side: str, of_image: list[dict[str, float]]) -> dict[str, Any]:
    static, dynamic = (_column(of_image, f"{row}_{side}") for row in ROWS)
    lower = np.where(np.isnan(static + dynamic), np.nan, dynamic < static)
    if side == "bound":  # by more than rounding
        lower = _column(of_image, "dynamic_is_lower")
    return {
        "side": side,
        "static": _mean(static),
        "dynamic": _mean(dynamic),
        "lower": _mean(lower),
    }


def _column(lines: list[dict[str, float]], value: str) -> np.ndarray:
    """(N,); NaN where a line has no such value."""
    return np.array([line.get(value, np.nan) for line in lines])


def _mean(column: np.ndarray) -> float:
    """Over what is not NaN; NaN if nothing is."""
    defined = column[~np.isnan(column)]
    return float(defined.mean()) if defined.size else np.nan
