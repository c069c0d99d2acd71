"""Detectors and segmenters: their weights as files, opened by path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.tasks.centernet import CenterNet
from fusionlab.tasks.detection import Detector
from fusionlab.tasks.fcos import TimmFCOS
from fusionlab.tasks.segmentation import Segmenter
from fusionlab.tasks.upernet import UPerNet

DETECTORS: dict[str, Callable[..., Detector]] = {"fcos": TimmFCOS}
SEGMENTERS: dict[str, Callable[..., Segmenter]] = {"upernet": UPerNet}
Model = TypeVar("Model", bound=nn.Module)


def open_detector(path: str) -> Detector:
    """A detector of its weights: of a training, or a graph model of TensorFlow.js (CenterNet).

    Raises:
        InputError: If there is no such file, or it holds no detector.
    """
    if Path(path).suffix.casefold() == ".json" and Path(path).is_file():
        return CenterNet(Path(path)).eval()
    return _opened(path, "detect", "detector", DETECTORS)


def open_segmenter(path: str) -> Segmenter:
    """A segmenter of its weights.

    Raises:
        InputError: If there is no such file, or it holds no segmenter of pictures.
    """
    return _opened(path, "segment", "segmenter", SEGMENTERS)


def save_model(model: nn.Module, kind: str, name: str, options: dict[str, Any], path: Path) -> None:
    """Write weights that :func:`open_detector` or :func:`open_segmenter` reads.

    Args:
        model: The model.
        kind: ``detector`` or ``segmenter``.
        name: Its name among those.
        options: Its arguments.
        path: The file.
    """
    state = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    save_file(state, path, {"kind": kind, "name": name, "options": json.dumps(options)})


def _opened(path: str, setting: str, kind: str, known: dict[str, Callable[..., Model]]) -> Model:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"no file {path}; set tasks.{setting} to the weights of a {kind}")
    try:
        with safe_open(file, "pt") as content:
            metadata = content.metadata() or {}
            state = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as fault:
        said = " ".join(str(fault).split())
        raise InputError(f"{path} cannot be read as weights of a {kind} ({said})") from None
    if metadata.get("kind") != kind or metadata.get("name") not in known:
        raise InputError(
            f"{path} holds no {kind} of pictures; set tasks.{setting} to {kind}.safetensors of a "
            f"training (fusionlab train, training.objective {setting})"
        )
    model = known[metadata["name"]](**json.loads(metadata["options"]))
    try:
        model.load_state_dict(state)
    except RuntimeError as fault:
        raise InputError(f"{path}: {' '.join(str(fault).split())[:200]}") from None
    model.file = {"path": path, "sha256": file_sha256(file)}  # type: ignore[assignment]
    return model.eval()
