"""The theorem of TTD, image by image and over the images that are done."""

from __future__ import annotations

from typing import Any

import numpy as np

from fusionlab.report.html.gallery import in_order
from fusionlab.report.run import Sample

OF_SOURCE = ("weight", "loss", "covariance")
SIDES = ("bound", "truth_bound", "error")  # static and dynamic, in columns of their own


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
            [side, of_image[f"static_{side}"], of_image[f"dynamic_{side}"]]
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
        ``images``, their number; ``negative``, the share of them whose covariances sum to less than
        0; ``sources`` with ``source``, ``images`` and means by ``OF_SOURCE``; ``sides`` with one of
        ``SIDES``, the means ``static`` and ``dynamic``, and ``lower``, the share of images in which
        the dynamic one is lower: for ``bound``, in which Eq. 5 holds.
    """
    measured = [sample for sample in samples if sample.theorem]
    if not measured:
        return None
    of_image = [next(iter(sample.theorem.values())) for sample in measured]
    names = in_order(declared, (name for sample in measured for name in sample.theorem))
    return {
        "images": len(measured),
        "negative": float(np.mean([one["covariance_is_negative"] for one in of_image])),
        "sources": [_mean_of_source(name, measured) for name in names],
        "sides": [_mean_sides(side, of_image) for side in SIDES if f"static_{side}" in of_image[0]],
    }


def _mean_of_source(name: str, measured: list[Sample]) -> dict[str, Any]:
    own = [sample.theorem[name] for sample in measured if name in sample.theorem]
    means = {value: float(np.mean([one.get(value, np.nan) for one in own])) for value in OF_SOURCE}
    return {"source": name, "images": len(own), **means}


def _mean_sides(side: str, of_image: list[dict[str, float]]) -> dict[str, Any]:
    static, dynamic = (
        np.array([one[f"{row}_{side}"] for one in of_image]) for row in ("static", "dynamic")
    )
    lower = dynamic < static
    if side == "bound":  # by more than rounding
        lower = np.array([one["dynamic_is_lower"] for one in of_image])
    return {
        "side": side,
        "static": float(static.mean()),
        "dynamic": float(dynamic.mean()),
        "lower": float(lower.mean()),
    }
