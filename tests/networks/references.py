"""Comparing a network with what its authors' modules computed: ``shared/reference/networks``."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fusionlab.networks import FusionNetwork
from fusionlab.ttd import TestTimeDynamicFusion

PRESETS = {"l1": "paper", "mse50": "authors"}  # l1, temperature 1; mse, temperature 50


def read(path: Path, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The tensors of an .npz by name."""
    with np.load(path) as file:
        return {key: torch.from_numpy(value).to(dtype) for key, value in file.items()}


def computed(
    network: FusionNetwork, sources: Tensor, normalization: str = "softmax"
) -> dict[str, Tensor]:
    """What a network makes of sources, under the keys that references have.

    Args:
        network: The network.
        sources: (B, M, C, H, W) in [0, 1].
        normalization: From scores e^−γℓ to RD. References of the newer networks (MODERN_VIF.md,
            MODERN_GENERAL.md) are e^−γℓ over its sum, ``proportional``.
    """
    ours = {"sources": sources, "static": network(sources)}
    for key, preset in PRESETS.items():
        # the references have M times RD for every rule
        options = {"gain": "share", "normalization": normalization}
        found = TestTimeDynamicFusion(network, preset, **options)(sources)
        ours |= {"components": found.components, f"loss_{key}": found.losses}
        ours |= {f"rd_{key}": found.rd, f"ttd_{key}": found.fused}
    return ours


def assert_equal(ours: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    """Every reference is met."""
    assert sorted(ours) == sorted(expected)
    for key, value in expected.items():
        assert ours[key].shape == value.shape, key
        worst = (ours[key] - value).abs().max().item()
        assert worst < tolerance, f"{key} is off by {worst}"


def levels(path: Path) -> Tensor:
    """An 8-bit picture, (3, H, W) int, for differences."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).int()
