"""The theorem of TTD, measured on the images of an evaluation.

The mathematics is :mod:`fusionlab.ttd.theorem`. Moments are over the pixels of one image, in
double precision. The bounds lack the constant of Eq. 4, so an error may exceed them; those against
a ground truth lack nothing.

Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fusionlab.data.colour import to_luma
from fusionlab.fusing import Picture
from fusionlab.metrics.base import working_dtype
from fusionlab.runs.run import THEOREM_COLUMNS
from fusionlab.ttd import (
    Encoded,
    TiledEncoded,
    fusion_error,
    generalisation_bound,
    reconstruction_loss,
    truth_bound,
)

CONVENTION = (
    "ω is RD. ℓ is the loss of each source's component, the network on it alone, against that "
    "source, in the loss of the settings (l1 for objective). E and Cov are over the pixels of an "
    "image. GEB leaves out the constant of Eq. 4, which is the same for static and dynamic fusion: "
    "it tells whether Eq. 5 holds, but an error may exceed it. To the truth, in luma: the "
    "components are held against the ground truth and nothing is left out. There no error exceeds "
    "GEB if the loss is convex (ssim and structure are not), the rule the mean, and the network "
    "linear, pixel by pixel, behind its encoder (none here is)."
)


@torch.inference_mode()
def theorem_rows(
    encoded: Encoded | TiledEncoded,
    loss: str,
    batch: dict[str, Any],
    static: Sequence[Picture],
    dynamic: Sequence[Picture],
) -> list[dict[str, list[float | None]]]:
    """The cells of ``theorem.csv`` of each image of a batch, by source.

    Components are decoded here where TTD compared the fused image.

    Args:
        encoded: The batch, encoded.
        loss: The loss ℓ, per pixel.
        batch: The samples.
        static: Their pictures without TTD.
        dynamic: Their pictures with TTD.
    """
    components = encoded.components
    losses = reconstruction_loss(components, encoded.sources, loss)
    kind = working_dtype(losses.device)
    rows = []
    for k, (before, after) in enumerate(zip(static, dynamic, strict=True)):
        assert after.rd is not None
        rd, own = after.rd[None, :, None].to(kind), losses[k : k + 1].to(kind)
        cells = _bounds(rd, own)
        if "reference" in batch:
            truth = batch["reference"][k : k + 1].to(losses).div(255).to(kind)
            images = _luma(torch.stack([before.output, after.output])).to(kind)
            alone = _luma(components[k])[None].to(kind)
            cells |= _to_truth(rd, alone, images, truth, loss)
        rows.append(
            {
                name: [_cell(cells.get(column), m) for column in THEOREM_COLUMNS]
                for m, name in enumerate(after.source_names)
            }
        )
    return rows


def _bounds(rd: Tensor, losses: Tensor) -> dict[str, list[float]]:
    """Eq. 4 of one image: by column, of all sources or of the image."""
    bound = generalisation_bound(rd, losses)

    def claim(holds: Tensor) -> list[float]:
        return holds.double().where(~bound.dynamic.isnan(), torch.nan).tolist()

    return {
        "rd": bound.rd[0].tolist(),
        "loss": bound.losses[0].tolist(),
        "covariance": bound.covariances[0].tolist(),
        "covariance_sum": bound.covariances.sum(1).tolist(),
        "covariance_is_negative": claim(bound.covariance_is_negative),
        "static_bound": bound.static.tolist(),
        "dynamic_bound": bound.dynamic.tolist(),
        "dynamic_is_lower": claim(bound.dynamic_is_lower),
    }


def _to_truth(
    rd: Tensor, components: Tensor, images: Tensor, truth: Tensor, loss: str
) -> dict[str, list[float]]:
    """Both sides against the truth, of one image."""
    bound = truth_bound(rd, components, truth, loss)
    static, dynamic = images[:1], images[1:]
    return {
        "truth_loss": bound.losses[0].tolist(),
        "truth_covariance": bound.covariances[0].tolist(),
        "static_error": fusion_error(static, truth, loss).tolist(),
        "dynamic_error": fusion_error(dynamic, truth, loss).tolist(),
        "static_truth_bound": bound.static.tolist(),
        "dynamic_truth_bound": bound.dynamic.tolist(),
    }


def _cell(values: list[float] | None, m: int) -> float | None:
    """The value of source m, or of the image; nothing where there is none."""
    if values is None:
        return None
    value = values[m] if len(values) > 1 else values[0]
    return None if value != value else value


def _luma(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, 1, H, W), unclamped: luma is linear and changes nothing in Eq. 4."""
    return torch.stack([to_luma(image) for image in images.float()])
