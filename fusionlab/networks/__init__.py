"""Fusion networks: plain PyTorch, one paper in one file, all behind :class:`FusionNetwork`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.checkpoints import (
    BUNDLED,
    bundled_checkpoint,
    load_weights,
    read_checkpoint,
    save_checkpoint,
)
from fusionlab.networks.densefuse import DenseFuse
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.networks.piafusion import PIAFusion

NETWORKS: dict[str, type[FusionNetwork]] = {
    "densefuse": DenseFuse,
    "ifcnn": IFCNN,
    "piafusion": PIAFusion,
}

__all__ = [
    "IFCNN",
    "NETWORKS",
    "DenseFuse",
    "FusionNetwork",
    "PIAFusion",
    "create_network",
    "list_networks",
    "save_checkpoint",
]


def list_networks() -> list[str]:
    """Names that :func:`create_network` knows, sorted."""
    return sorted(NETWORKS)


def create_network(
    name: str, checkpoint: str | Path | None = None, **options: Any
) -> FusionNetwork:
    """Build a network, ready to fuse (in evaluation mode, on the CPU).

    Args:
        name: One of :func:`list_networks`.
        checkpoint: A file (our safetensors or the authors' published one), ``"bundled"`` for the
            one that the package carries, or None for untrained weights.
        **options: The network's own options. Those not given come from the checkpoint where it
            states them (ours do; the authors' are known by their hash), else from the network.

    Raises:
        InputError: If the name or an option is unknown, or the checkpoint does not fit.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; known: {', '.join(list_networks())}")
    network_class = NETWORKS[name]
    if checkpoint is None:
        return _build(name, options)
    path = bundled_checkpoint(name) if str(checkpoint) == BUNDLED else checkpoint
    stored = read_checkpoint(path)
    if stored.network not in (None, name):
        raise InputError(f"{path} holds {stored.network}, not {name}; set network.name to it")
    known = stored.options or network_class.published.get(stored.sha256, {})
    network = _build(name, {**known, **options})
    load_weights(network, stored)
    network.checkpoint = {"path": str(checkpoint), "sha256": stored.sha256}
    return network


def _build(name: str, options: dict[str, Any]) -> FusionNetwork:
    signature = inspect.signature(NETWORKS[name])
    for option in options:
        if option not in signature.parameters:
            takes = ", ".join(signature.parameters)
            raise InputError(f"network {name!r} has no option {option!r}; it takes {takes}")
    arguments = signature.bind(**options)
    arguments.apply_defaults()
    network = NETWORKS[name](**options)
    network.name, network.options = name, dict(arguments.arguments)
    return network.eval()
