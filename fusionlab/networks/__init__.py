"""Fusion networks: plain PyTorch, one paper in one file, all behind :class:`FusionNetwork`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from torch._subclasses.fake_tensor import FakeTensorMode

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.checkpoints import (
    BUNDLED,
    Checkpoint,
    bundled_checkpoint,
    check_fit,
    load_weights,
    read_checkpoint,
    read_parts,
    save_checkpoint,
    weights_sha256,
)
from fusionlab.networks.downloads import download, is_address
from fusionlab.networks.published import Published, find_published, unknown_hash_note
from fusionlab.registry import NETWORKS
from fusionlab.settings.addresses import without_credentials

__all__ = [
    "NETWORKS",
    "FusionNetwork",
    "create_network",
    "list_networks",
    "save_checkpoint",
    "scale_features",
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
        checkpoint: A file (our safetensors or the authors' published one), its address
            (``https://…``, ``hf://owner/name/file``; downloaded once), ``"bundled"`` for the one
            that the package carries, or None for untrained weights. A network without weights
            is complete with either of the two.
        **options: The network's own options. Those not given come from the checkpoint where it
            states them (ours do; the authors' are known by their hash, or by where the authors
            keep them), else from the network.

    A checkpoint that states no network and has no known hash is named in a line on stderr.

    Raises:
        InputError: If the name or an option is unknown, the checkpoint cannot be downloaded, or
            does not fit.
    """
    network_class = NETWORKS[name]
    if checkpoint is None or (checkpoint == BUNDLED and not network_class.trainable):
        return _build(name, options)
    address = str(checkpoint)
    if not network_class.trainable:
        shown = without_credentials(address)
        raise InputError(f"{name} has no weights, so it takes no checkpoint; leave out {shown}")
    stored, known = _opened(name, address)
    published = network_class.published
    network = _build(name, {**(known.options if known else {}), **stored.options, **options})
    load_weights(network, stored)
    if published and not (stored.network or (known and known.sha256)):
        shown = without_credentials(address)
        note = unknown_hash_note(published, name, shown, stored.sha256, network.options)
        print(note, file=sys.stderr)
    network.checkpoint = {
        "path": without_credentials(address),
        "sha256": weights_sha256(network.state_dict()),
    }
    return network


def check_checkpoint(name: str, checkpoint: str, **options: Any) -> None:
    """Refuse a checkpoint that a network with weights does not load, without building it.

    Raises:
        InputError: As :func:`create_network`.
    """
    stored, known = _opened(name, checkpoint)
    with FakeTensorMode():  # a large one costs seconds and gigabytes
        network = _build(name, {**(known.options if known else {}), **stored.options, **options})
        check_fit(network, stored)


def fetch_checkpoint(address: str) -> Path:
    """Download a checkpoint, or find it in the cache.

    Raises:
        InputError: If it cannot be had, or is not the file that one of the networks knows there.
    """
    every = [entry for network in NETWORKS.values() for entry in network.published]
    return download(address, every)


def _opened(name: str, address: str) -> tuple[Checkpoint, Published | None]:
    """The checkpoint, and what is known of it."""
    stored = _read(name, address)
    if stored.network not in (None, name):
        remedy = "set network.name to it" if stored.network in NETWORKS else "give another file"
        raise InputError(f"{stored.path} holds {stored.network}, not {name}; {remedy}")
    return stored, find_published(NETWORKS[name].published, stored.sha256, address)


def _read(name: str, address: str) -> Checkpoint:
    theirs = (NETWORKS[name].convert_published, NETWORKS[name].numpy_scalars)
    if address == BUNDLED:
        return read_checkpoint(bundled_checkpoint(name))
    if NETWORKS[name].parts and Path(address).is_dir():
        return read_parts(address, NETWORKS[name].parts, *theirs)
    if not is_address(address):
        return read_checkpoint(address, *theirs)
    path = fetch_checkpoint(address)
    try:
        return read_checkpoint(path, *theirs)
    except InputError as fault:
        shown = without_credentials(address)
        raise InputError(f"{shown}: {fault} (remove that file first)") from None


def _check_plain(name: str, option: str, value: Any) -> None:
    """Refuse an option nested so deeply that it can be no option.

    Raises:
        InputError: Naming it.
    """
    inner, depth = [value], 0
    while inner:
        depth += 1
        if depth > DEEPEST:
            raise InputError(f"network {name!r}: option {option!r} is nested too deeply")
        lists = [list(one.values()) if isinstance(one, dict) else one for one in inner]
        inner = [part for one in lists if isinstance(one, (list, tuple)) for part in one]


DEEPEST = 8  # levels of an option


def _build(name: str, options: dict[str, Any]) -> FusionNetwork:
    signature = inspect.signature(NETWORKS[name])
    for option in options:
        if option not in signature.parameters:
            takes = ", ".join(signature.parameters) or "none"
            raise InputError(f"network {name!r} has no option {option!r}; it takes {takes}")
    arguments = signature.bind(**options)
    arguments.apply_defaults()
    for option, value in options.items():
        _check_plain(name, option, value)
    try:
        network = NETWORKS[name](**options)
    except InputError:
        raise
    except (TypeError, ValueError, LookupError, RuntimeError, OverflowError) as fault:
        said = ", ".join(f"{option}={value!r:.40}" for option, value in options.items())
        raise InputError(f"network {name!r} cannot be made with {said} ({fault})") from None
    network.name, network.options = name, dict(arguments.arguments)
    return network.eval()
