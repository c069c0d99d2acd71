"""The objective of SAGE's student: the sources, and what a teacher fuses of them.

Wu et al., CVPR 2025
Authors' code: https://github.com/RollingPlain/SAGE_IVIF
Differs: without L_c, which compares features of Segment Anything within its masks. The authors'
teacher is not here: any network may teach, or none; features (L_m) are compared where it is a SAGE.
Patches are square and not flipped.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, ParameterGroup, Step
from fusionlab.losses.sobel import edge_loss, sobel_magnitude
from fusionlab.networks import create_network
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.sage import SAGE


class SAGEObjective(Objective):
    """L_f, L_g and L_m, weighted 3, 3 and 0.3; the parts that follow a teacher if there is one.

    Args:
        teacher: Name of the network that teaches; None for none.
        checkpoint: Its weights.

    Raises:
        InputError: If there is one without the other, or the network cannot teach.
    """

    learns_from: ClassVar[Kind | None] = "pairs"
    trains: ClassVar[type[FusionNetwork]] = SAGE

    def __init__(self, teacher: str | None = None, checkpoint: str | None = None) -> None:
        super().__init__()
        if (teacher is None) != (checkpoint is None):
            raise InputError(
                "training.options.teacher and training.options.checkpoint go together: a network "
                "and its weights"
            )
        self.teacher: FusionNetwork | None = None
        if teacher is not None:
            self.teacher = create_network(teacher, checkpoint).eval().requires_grad_(False)
            if 1 not in self.teacher.channels:
                raise InputError(f"training.options.teacher {teacher} does not fuse luma")

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The student alone."""
        return [ParameterGroup("network", list(network.parameters()))]

    def train(self, mode: bool = True) -> SAGEObjective:
        """The teacher stays as it evaluates."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), visible first."""
        assert isinstance(network, SAGE)
        sources: Tensor = batch["sources"]
        maps = network.scales(network.combine(network.encode(sources)))
        fused = network.final_decoder(maps[-1]).to(sources.dtype)
        if self.teacher is None:
            return fusion_terms(fused, sources)
        with torch.no_grad():
            taught = self.teacher(sources).to(sources.dtype)
        terms = fusion_terms(fused, sources, taught)
        if isinstance(self.teacher, SAGE):
            with torch.no_grad():
                theirs = self.teacher.scales(self.teacher.combine(sources))
            terms["features"] = 0.3 * feature_distance(maps, theirs)
        return terms


def fusion_terms(fused: Tensor, sources: Tensor, taught: Tensor | None = None) -> dict[str, Tensor]:
    """3 L_f and 3 L_g of (B, 1, H, W), (B, 2, 1, H, W) and the teacher's picture (B, 1, H, W)."""
    fidelity = 3 * F.mse_loss(fused, sources[:, 0]) + 2 * F.mse_loss(fused, sources[:, 1])
    gradient = 9 * edge_loss(fused, sources)
    if taught is not None:
        fidelity = fidelity + 4 * F.mse_loss(fused, taught)
        edges = F.l1_loss(sobel_magnitude(fused), sobel_magnitude(taught))
        gradient = gradient + 3 * edges
    return {"fidelity": 3 * fidelity, "gradient": 3 * gradient}


def feature_distance(student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    """L_m: the sum over maps (B, F, h, w) of 1 − cosine, of a sample's whole map; batch mean."""
    cosines = [
        F.cosine_similarity(one.flatten(1), other.flatten(1))
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack([(1 - one).mean() for one in cosines]).sum()
