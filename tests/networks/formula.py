"""Weights by a stated formula in the layout of a network's authors, with their checksum."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Value = Callable[[str, np.ndarray], np.ndarray]
"""Name and standard normal numbers of a tensor, in double precision, to its values."""


def formula_weights(layout: dict[str, Any], value: Value) -> dict[str, Tensor]:
    """A state dict in float32; names that share a tensor have equal ones.

    Args:
        layout: ``state_dict``, shapes by name; ``seed``; perhaps ``aliases``, the names whose
            tensors others take.
        value: The formula.
    """
    aliases, state = layout.get("aliases", {}), {}
    for key, shape in layout["state_dict"].items():
        name = aliases.get(key, key)
        rng = np.random.default_rng([layout["seed"], zlib.crc32(name.encode())])
        values = value(name, rng.standard_normal(shape))
        state[key] = torch.from_numpy(values.astype(np.float32))
    return state


def checksum(state: dict[str, Tensor]) -> str:
    """SHA-256 of names and little-endian values, in the order of the names."""
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(key.encode())
        total.update(state[key].numpy().astype("<f4").tobytes())
    return total.hexdigest()


def read_layout(shared: Path, name: str) -> dict[str, Any]:
    """A layout among the reference files."""
    return json.loads((shared / "reference" / "networks" / f"{name}_layout.json").read_text())


def standard_value(name: str, z: np.ndarray) -> np.ndarray:
    """The formula of ``shared/README.md``, for networks without public weights."""
    endings = {
        "running_var": np.exp(0.2 * z),
        "running_mean": 0.1 * z,
        "relative_position_bias_table": z,
        "bias": 0.05 * z,
    }
    for ending, value in endings.items():
        if name.endswith(ending):
            return value
    return 1 + 0.1 * z if z.ndim <= 1 else z / np.sqrt(np.prod(z.shape[1:]))


def drawn_weights(
    shapes: dict[str, tuple[int, ...]], seed: int, value: Value = standard_value
) -> dict[str, Tensor]:
    """Weights in float32, drawn by one generator in the order of their names."""
    rng = np.random.default_rng(seed)
    return {
        key: torch.from_numpy(value(key, rng.standard_normal(shapes[key])).astype(np.float32))
        for key in sorted(shapes)
    }


def value_checksum(state: dict[str, Tensor]) -> str:
    """SHA-256 of the values alone, in the order of the names."""
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(state[key].numpy().astype("<f4").tobytes())
    return total.hexdigest()
