"""The objective of PMGI: intensity and gradient of each source in a given proportion.

Zhang et al., AAAI 2020, https://doi.org/10.1609/aaai.v34i07.6975
Authors' code: https://github.com/HaoZhang1018/PMGI_AAAI2020 (TensorFlow)
Differs: nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.laplacian import laplacian
from fusionlab.networks.base import FusionNetwork

# of the intensity of the first and the second source, and of their gradients
WEIGHTS = {
    "vif": (1.0, 0.3, 4.0, 5.0),
    "mif": (1.0, 1.0, 0.0, 300.0),
    "mef": (1.5, 1.5, 16.0, 16.0),
    "mff": (2.0, 2.0, 3.0, 3.0),
}
SCALE = 100.0


class PMGIObjective(Objective):
    """Squared errors of intensities and of Laplacians, in the range [−1, 1].

    Args:
        task: ``vif``, ``mif``, ``mef`` or ``mff``, which has the proportions of its authors.
    """

    learns_from: ClassVar[Kind | None] = "pairs"

    def __init__(self, task: str = "vif") -> None:
        super().__init__()
        if task not in list(WEIGHTS):
            known = ", ".join(WEIGHTS)
            raise InputError(f"training.options.task must be one of {known}, got {task!r}")
        self.weights = WEIGHTS[task]

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), in the order of the network."""
        sources: Tensor = batch["sources"]
        fused = 2 * network(sources).to(sources.dtype) - 1
        return fusion_terms(fused, 2 * sources - 1, self.weights)


def fusion_terms(
    fused: Tensor, sources: Tensor, weights: tuple[float, float, float, float]
) -> dict[str, Tensor]:
    """The terms of (B, 1, H, W) and (B, 2, 1, H, W) in [−1, 1]; weights as in ``WEIGHTS``."""
    first, second = sources.unbind(1)
    edges = laplacian(fused)
    errors = (
        F.mse_loss(fused, first),
        F.mse_loss(fused, second),
        F.mse_loss(edges, laplacian(first)),
        F.mse_loss(edges, laplacian(second)),
    )
    names = ("intensity_1", "intensity_2", "gradient_1", "gradient_2")
    found = torch.stack(errors) * SCALE * fused.new_tensor(weights)
    return dict(zip(names, found.unbind(), strict=True))
