"""Checkpoints: our own as safetensors, the authors' as published, both strictly and safely."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.writing import replace_file

BUNDLED = "bundled"
# the bundled network made for a task, and what it does better than ifcnn
LEARNED = {
    "vif": ("seafusion", "keeps more of what both sensors show"),
    "mef": ("weightnet", "is nearer to the truth of real pictures"),
    "mff": ("weightnet", "is nearer to the truth of real pictures"),
}
_DAMAGED = (  # what PyTorch raises on files that are cut off, or something else
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    BadZipFile,
    RuntimeError,
    TypeError,
    ValueError,
)
_WRAPPERS = ("state_dict", "model")  # what people call the weights inside a larger checkpoint
# left by DataParallel and AveragedModel, by our FusionModule, by torch.compile, by others' modules
_PREFIXES = ("module.", "network.", "_orig_mod.", "model.")
_COUNTER = "n_averaged"  # of AveragedModel, beside the weights
_RAW = re.compile(r"\.data-\d{5}-of-\d{5}")  # how the data of TensorFlow's checkpoints end
_SCALAR = np.float64(0).__reduce__()[0]  # what makes a NumPy scalar again
_SCALARS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float64)),
]


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
    path: str | Path,
    convert: Callable[[Any], Any] = FusionNetwork.convert_published,
    numpy_scalars: bool = False,
) -> Checkpoint:
    """Read a checkpoint without running any code that it holds.

    Args:
        path: A ``.safetensors`` file of ours, a training checkpoint of ours, or a file as its
            authors published it: PyTorch's (a state dict, perhaps below ``state_dict`` or
            ``model``, perhaps with the prefix ``module.``), arrays of NumPy by name (``.npz``), or
            the raw values of TensorFlow's variables, one after the other
            (``.data-00000-of-00001``).
        convert: The network's ``convert_published``, for authors who published something else; raw
            values reach it as one tensor (N,).
        numpy_scalars: Whether the authors' PyTorch file may hold NumPy scalars beside the weights.

    Raises:
        InputError: If there is no such file, or it is no checkpoint, or holds NaN or infinity.
    """
    path = Path(path)
    if not _is_file(path):
        raise InputError(f"no checkpoint at {path}; set network.checkpoint to an existing file")
    if path.suffix == ".safetensors":
        checkpoint = _read_safetensors(path)
    else:
        checkpoint = _converted(path, _read_published(path, numpy_scalars), convert)
    named = isinstance(checkpoint.network, str | None)
    if not named or not isinstance(checkpoint.options, dict):
        raise InputError(
            f"{path}: the network's options are no mapping, or its name is no text; "
            "get or train a sound one"
        )
    for key, value in checkpoint.state.items():
        if value.layout != torch.strided or value.is_complex() or _is_inflated(value):
            raise InputError(f"{path}: {key} is no dense real tensor; get or train a sound one")
        if not torch.isfinite(value).all():
            raise InputError(
                f"{path}: {key} holds NaN or infinity; train it again or get a sound copy"
            )
    return checkpoint


def read_parts(
    folder: str | Path,
    parts: Sequence[str],
    convert: Callable[[Any], Any] = FusionNetwork.convert_published,
    numpy_scalars: bool = False,
) -> Checkpoint:
    """Read a checkpoint whose parts are files, ``<part>.pth``; keys begin with the part.

    Parts without a file are left out; the hash is that of the others' hashes, in their order.

    Raises:
        InputError: As :func:`read_checkpoint`, or if there is no part.
    """
    paths = [path for part in parts if (path := Path(folder) / f"{part}.pth").is_file()]
    if not paths:
        names = ", ".join(f"{part}.pth" for part in parts)
        raise InputError(f"{folder} holds none of {names}; set network.checkpoint to their folder")
    read = [read_checkpoint(path, convert, numpy_scalars) for path in paths]
    state = {f"{one.path.stem}.{key}": value for one in read for key, value in one.state.items()}
    sha256 = hashlib.sha256("".join(one.sha256 for one in read).encode()).hexdigest()
    return Checkpoint(Path(folder), sha256, state)


def _is_inflated(value: Tensor) -> bool:
    """Whether it stands for more numbers than the file holds: each would be read many times."""
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()


def load_weights(network: FusionNetwork, checkpoint: Checkpoint) -> None:
    """Load strictly.

    Raises:
        InputError: As :func:`check_fit`.
    """
    check_fit(network, checkpoint)
    network.load_state_dict(checkpoint.state, strict=False)


def check_fit(network: FusionNetwork, checkpoint: Checkpoint) -> None:
    """Compare keys and shapes; a batch norm may have been saved before it counted batches.

    Raises:
        InputError: If keys are missing or surplus, or shapes differ; the message lists them.
    """
    expected, found = network.state_dict(), checkpoint.state
    missing = (k for k in expected.keys() - found.keys() if not k.endswith("num_batches_tracked"))
    shared = expected.keys() & found.keys()
    faults = {
        "missing": sorted(missing),
        "surplus": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(k for k in shared if expected[k].shape != found[k].shape),
    }
    if any(faults.values()):
        text = "; ".join(f"{kind}: {_some(keys)}" for kind, keys in faults.items() if keys)
        remedy = "check network.name and network.options"
        if checkpoint.path.is_dir():
            remedy = "add the file of the missing part, or set network.options to do without it"
        raise InputError(
            f"{checkpoint.path} does not fit {type(network).__name__} ({text}); {remedy}"
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
    metadata = {"network": network.name, "options": json.dumps(network.kept_options)}
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


def variables_in_order(values: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The variables of a TensorFlow checkpoint, which holds them in the order of their names.

    Args:
        values: All values, (N,).
        shapes: Of the variables by name.

    Raises:
        InputError: If there are more or fewer values.
    """
    sizes = {name: math.prod(shapes[name]) for name in sorted(shapes)}
    if len(values) != sum(sizes.values()):
        raise InputError(f"holds {len(values):,} values, {sum(sizes.values()):,} are wanted")
    parts = values.split(list(sizes.values()))
    return {name: part.view(shapes[name]) for name, part in zip(sizes, parts, strict=True)}


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
        total.update(
            value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
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
    except (SafetensorError, ValueError, OSError, RecursionError) as reason:
        raise InputError(
            f"{path} is not a whole safetensors file ({reason}); get it again"
        ) from None
    state = _named_as_ours(state)
    return Checkpoint(path, file_sha256(path), state, metadata.get("network"), options)


def read_pytorch(path: Path, allowed: Sequence[Any] = ()) -> Any:
    """What a PyTorch file holds, on the CPU; no code that it holds is run.

    Args:
        path: The file.
        allowed: Types besides tensors and plain values that it may hold.

    Raises:
        InputError: If it is damaged, or holds more than that.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED:
        raise _unreadable(path) from None


def _read_published(path: Path, numpy_scalars: bool) -> Any:
    """What a file of its authors holds."""
    if _RAW.fullmatch("".join(path.suffixes[-1:])):
        if path.stat().st_size % 4:
            raise InputError(f"{path} holds no whole float32 values; get it again")
        return torch.from_numpy(np.fromfile(path, "<f4").astype(np.float32))
    try:
        arrays = _read_arrays(path)
    except _DAMAGED:
        raise _unreadable(path) from None
    return arrays if arrays is not None else read_pytorch(path, _SCALARS if numpy_scalars else ())


def _unreadable(path: Path) -> InputError:
    kind = "more than weights" if is_zipfile(path) else "no whole PyTorch checkpoint"
    return InputError(
        f"{path} holds {kind}, so it is not opened; save its state_dict, or get it again"
    )


def _read_arrays(path: Path) -> dict[str, Tensor] | None:
    """The arrays of an ``.npz``, which is a zip of nothing but ``.npy``; None for another file."""
    if not is_zipfile(path):
        return None
    with ZipFile(path) as file:
        names = file.namelist()
    if not names or not all(name.endswith(".npy") for name in names):
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}


def _converted(path: Path, content: Any, convert: Callable[[Any], Any]) -> Checkpoint:
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
