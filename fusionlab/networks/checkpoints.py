"""Checkpoints: our own as safetensors, the authors' as published, both strictly and safely."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.writing import replace_file

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
# left by DataParallel and AveragedModel, by our FusionModule, by torch.compile, by others' modules
_PREFIXES = ("module.", "network.", "_orig_mod.", "model.")
_COUNTER = "n_averaged"  # of AveragedModel, beside the weights


@dataclass
class Checkpoint:
    """Weights on the CPU, and what the file says of the network they belong to.

    ``sha256`` is of the file, by which those that authors published are known.
    """

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


def save_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Write weights, name and options of a network as safetensors, the same bytes every time.

    Args:
        network: A network, perhaps inside ``torch.compile``, DataParallel or AveragedModel.
        path: The file; it never exists in part.

    Raises:
        ValueError: If the network was not made by ``create_network``, which names it.
    """
    network = unwrapped(network)
    if not getattr(network, "name", ""):
        raise ValueError("a network without a name cannot be loaded again; use create_network")
    assert isinstance(network, FusionNetwork)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    metadata = {"network": network.name, "options": json.dumps(network.options)}
    replace_file(Path(path), _in_order(save(state, metadata)))


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``, DataParallel, DDP or AveragedModel."""
    if isinstance(network, FusionNetwork):
        return network
    for name in ("_orig_mod", "module"):
        inner = getattr(network, name, None)
        if isinstance(inner, nn.Module):
            return unwrapped(inner)
    return network


def _in_order(content: bytes) -> bytes:
    """A safetensors file whose metadata are in order: the writer shuffles them."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[end:]


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    total = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            total.update(block)
    return total.hexdigest()


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever file they were read from."""
    total = hashlib.sha256()
    for name, value in sorted(state.items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


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
    state = _named_as_ours(state)
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
    while isinstance(content, dict) and (found := _inner(content)) is not None:
        content = found
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise InputError(
            f"{path} holds no state dict; save one with torch.save(network.state_dict())"
        )
    network, options = stored.get("network"), stored.get("options", {})
    return Checkpoint(path, file_sha256(path), _named_as_ours(content), network, options)


def _inner(content: dict[str, Any]) -> dict[str, Any] | None:
    """The weights inside a larger checkpoint, if it is one."""
    return next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), None)


def _named_as_ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without what wrappers put before their names, in whatever order they wrapped."""
    weights = {key: value for key, value in state.items() if key != _COUNTER}
    for prefix in _PREFIXES:
        if weights and all(key.startswith(prefix) for key in weights):
            return _named_as_ours({key.removeprefix(prefix): v for key, v in weights.items()})
    return weights
