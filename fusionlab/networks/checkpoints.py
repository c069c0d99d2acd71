"""Checkpoints: our own as safetensors, the authors' as published, both strictly and safely."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork

BUNDLED = "bundled"
_DAMAGED = (  # what PyTorch raises on files that are cut off, or something else
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_WRAPPERS = ("state_dict", "model")  # what people call the weights inside a larger checkpoint
_PREFIXES = ("module.", "network.")  # left by DataParallel, by our FusionModule


@dataclass
class Checkpoint:
    """Weights on the CPU, and what the file says of the network they belong to."""

    path: Path
    sha256: str
    state: dict[str, Tensor]
    network: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def bundled_checkpoint(network: str) -> Path:
    """The checkpoint that the package carries for a network.

    Raises:
        InputError: If it carries none.
    """
    path = Path(str(files("fusionlab.networks") / "pretrained" / f"{network}.safetensors"))
    if not path.is_file():
        raise InputError(f"no checkpoint of {network} is bundled; give network.checkpoint a file")
    return path


def read_checkpoint(
    path: str | Path, convert: Callable[[Any], Any] = FusionNetwork.convert_published
) -> Checkpoint:
    """Read a checkpoint without running any code that it holds.

    Args:
        path: A ``.safetensors`` file of ours, a training checkpoint of ours, or a PyTorch file as
            its authors published it (a state dict, perhaps below ``state_dict`` or ``model``,
            perhaps with the prefix ``module.``).
        convert: The network's ``convert_published``, for authors who published something else.

    Raises:
        InputError: If there is no such file, or it is no checkpoint, or holds NaN or infinity.
    """
    path = Path(path)
    if not _is_file(path):
        raise InputError(f"no checkpoint at {path}; set network.checkpoint to an existing file")
    safe = path.suffix == ".safetensors"
    checkpoint = _read_safetensors(path) if safe else _read_pytorch(path, convert)
    if not isinstance(checkpoint.options, dict):
        raise InputError(f"{path}: the network's options are no mapping; get or train a sound one")
    for key, value in checkpoint.state.items():
        if value.layout != torch.strided or value.is_complex():
            raise InputError(f"{path}: {key} is no dense real tensor; get or train a sound one")
        if not torch.isfinite(value).all():
            raise InputError(
                f"{path}: {key} holds NaN or infinity; train it again or get a sound copy"
            )
    return checkpoint


def load_weights(network: FusionNetwork, checkpoint: Checkpoint) -> None:
    """Load strictly.

    Raises:
        InputError: If keys are missing or surplus, or shapes differ; the message lists them.
    """
    expected, found = network.state_dict(), dict(checkpoint.state)
    reshaped = [k for k in expected.keys() & found.keys() if expected[k].shape != found[k].shape]
    for key in reshaped:
        del found[key]
    # Of a plain dict PyTorch forgives one thing: batch norms saved before they counted batches.
    missing, surplus = network.load_state_dict(found, strict=False)
    faults = {
        "missing": sorted(set(missing) - set(reshaped)),
        "surplus": sorted(surplus),
        "of another shape": sorted(reshaped),
    }
    if any(faults.values()):
        text = "; ".join(f"{kind}: {_some(keys)}" for kind, keys in faults.items() if keys)
        raise InputError(
            f"{checkpoint.path} does not fit {type(network).__name__} ({text}); "
            "check network.name and network.options"
        )


def save_checkpoint(network: FusionNetwork, path: str | Path) -> None:
    """Write weights, name and options of a network as safetensors.

    Raises:
        ValueError: If the network was not made by ``create_network``, which names it.
    """
    if not network.name:
        raise ValueError("a network without a name cannot be loaded again; use create_network")
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    metadata = {"network": network.name, "options": json.dumps(network.options)}
    save_file(state, path, metadata=metadata)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, a null byte
        return False


def _some(keys: list[str], most: int = 4) -> str:
    rest = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + rest


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        options = json.loads(metadata.get("options", "{}"))
    except (SafetensorError, json.JSONDecodeError) as reason:
        raise InputError(
            f"{path} is not a whole safetensors file ({reason}); get it again"
        ) from None
    return Checkpoint(path, file_sha256(path), state, metadata.get("network"), options)


def _read_pytorch(path: Path, convert: Callable[[Any], Any]) -> Checkpoint:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED:
        kind = "more than weights" if is_zipfile(path) else "no whole PyTorch checkpoint"
        raise InputError(
            f"{path} holds {kind}, so it is not opened; save its state_dict, or get it again"
        ) from None
    try:
        content = convert(content)
    except InputError as reason:
        raise InputError(f"{path}: {reason}; get it again") from None
    stored: dict[str, Any] = {}
    written = content.get("hyper_parameters") if isinstance(content, dict) else None
    if isinstance(written, dict) and "fusionlab" in written:
        stored = written
        weights = content.get("state_dict", {})
        content = {key: weights[key] for key in weights if key.startswith("network.")}
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise InputError(
            f"{path} holds no state dict; save one with torch.save(network.state_dict())"
        )
    for prefix in _PREFIXES:
        if content and all(key.startswith(prefix) for key in content):
            content = {key.removeprefix(prefix): value for key, value in content.items()}
    return Checkpoint(
        path, file_sha256(path), content, stored.get("network"), stored.get("options", {})
    )
