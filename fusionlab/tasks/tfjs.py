"""Graph models of TensorFlow.js, run by torch: the operations of convolutional networks.

A model is a ``.json`` file with the graph beside its weights, ``.bin``, as float32 or float16.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError

TYPES = {"float32": np.float32, "float16": np.float16, "int32": np.int32, "bool": np.bool_}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"Relu": F.relu, "Relu6": F.relu6}  # fused


class GraphModel(nn.Module):
    """A graph model; images are (B, C, H, W) here and (B, H, W, C) in the file.

    Args:
        path: The ``.json`` file.

    Raises:
        InputError: If it is no graph model, its weights are missing or short, or it has an
            operation that is not known here.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        content = _content(path)
        self.nodes = {node["name"]: node for node in content["modelTopology"]["node"]}
        self.inputs = [name for name, node in self.nodes.items() if node["op"] == "Placeholder"]
        self.constants = _weights(path, content["weightsManifest"])
        self.path = path

    def forward(self, image: Tensor, outputs: Sequence[str]) -> list[Tensor]:
        """The values of some nodes.

        Args:
            image: The one input, (B, C, H, W).
            outputs: Names of nodes.

        Returns:
            One tensor for each, (B, C, H, W).
        """
        done: dict[str, Any] = dict.fromkeys(self.inputs, image)
        for name in self._order(outputs):
            if name not in done:
                done[name] = self._run(self.nodes[name], done, image.device)
        return [done[name] for name in outputs]

    def _order(self, outputs: Sequence[str]) -> list[str]:
        """What the outputs need, each after what it needs itself."""
        order: dict[str, None] = {}
        pending = list(outputs)
        while pending:
            name = pending[-1]
            if name not in self.nodes:
                raise InputError(f"{self.path} has no node {name}; it is another model")
            needed = [one for one in self._parents(name) if one not in order]
            if needed:
                pending += needed
            else:
                order[pending.pop()] = None
        return list(order)

    def _parents(self, name: str) -> list[str]:
        return [one.partition(":")[0] for one in self.nodes[name].get("input", [])]

    def _run(self, node: dict[str, Any], done: dict[str, Any], device: torch.device) -> Any:
        kind = node["op"]
        if kind == "Const":
            return self.constants[node["name"]].to(device)
        if kind not in OPERATIONS:
            raise InputError(f"{self.path} has the operation {kind}, which is not known here")
        given = [done[name] for name in self._parents(node["name"])]
        return OPERATIONS[kind](given, node.get("attr", {}))


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise InputError(f"{path} cannot be read as JSON ({fault})") from None
    if not isinstance(content, dict) or not {"modelTopology", "weightsManifest"} <= content.keys():
        raise InputError(f"{path} is no graph model of TensorFlow.js")
    return content


def _weights(path: Path, manifest: list[dict[str, Any]]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for group in manifest:
        files = [path.parent / name for name in group["paths"]]
        lacking = next((file for file in files if not file.is_file()), None)
        if lacking is not None:
            raise InputError(f"{path} needs its weights {lacking}; put them beside it")
        data, place = b"".join(file.read_bytes() for file in files), 0
        for one in group["weights"]:
            kind = TYPES[one.get("quantization", {}).get("dtype", one["dtype"])]
            count = int(np.prod(one["shape"], dtype=int))
            end = place + count * np.dtype(kind).itemsize
            if end > len(data):
                raise InputError(f"{files[-1]} is shorter than {path} says; get it again")
            array: Any = np.frombuffer(data[place:end], kind).astype(TYPES[one["dtype"]])
            found[one["name"]] = torch.from_numpy(array.reshape(one["shape"]))
            place = end
    return found


def _numbers(attributes: dict[str, Any], name: str) -> list[int]:
    return [int(one) for one in attributes[name]["list"]["i"]]


def _texts(attributes: dict[str, Any], name: str) -> list[str]:
    return [base64.b64decode(one).decode() for one in attributes[name]["list"].get("s", [])]


def _convolved(given: list[Tensor], attributes: dict[str, Any], depthwise: bool) -> Tensor:
    """Convolution with padding SAME, then perhaps a bias and an activation."""
    image, kernel, *more = given
    height, width, channels, other = kernel.shape
    if depthwise:  # (h, w, C, multiplier)
        weight = kernel.permute(2, 3, 0, 1).reshape(channels * other, 1, height, width)
    else:  # (h, w, in, out)
        weight = kernel.permute(3, 2, 0, 1)
    strides = _numbers(attributes, "strides")[1:3]
    padded = _same(image, (height, width), strides)
    steps = _texts(attributes, "fused_ops") if "fused_ops" in attributes else []
    bias = more[0] if "BiasAdd" in steps else None
    groups = channels if depthwise else 1
    result = F.conv2d(padded, weight, bias, stride=strides, groups=groups)
    for step in steps:
        if step != "BiasAdd":
            result = ACTIVATIONS[step](result)
    return result


def _same(image: Tensor, kernel: tuple[int, int], strides: list[int]) -> Tensor:
    """Padding SAME: what is odd goes to the right and below."""
    margins: list[int] = []
    for size, side, stride in zip(image.shape[:1:-1], kernel[::-1], strides[::-1], strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + side - size)
        margins += [total // 2, total - total // 2]
    return F.pad(image, margins)


def _joined(given: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    *parts, axis = given
    assert int(axis) in (3, -1), "channels"
    return torch.cat(parts, dim=1)


def _mean(given: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    assert sorted(given[1].tolist()) == [1, 2], "height and width"
    return given[0].mean((2, 3), keepdim=True)


def _resized(given: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    """Bilinear between the corners of pixels (half_pixel_centers false), as TensorFlow 1."""
    image, size = given
    for dim, new in zip((2, 3), size.tolist(), strict=True):
        old = image.shape[dim]
        at = torch.arange(new, device=image.device) * (old / new)
        low = at.floor().long()
        share = (at - low).reshape([-1 if one == dim else 1 for one in range(4)])
        first = image.index_select(dim, low)
        second = image.index_select(dim, (low + 1).clamp(max=old - 1))
        image = first + share * (second - first)
    return image


def _elementwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(given: list[Tensor], attributes: dict[str, Any]) -> Tensor:
        return function(*(one[:, None, None] if one.dim() == 1 else one for one in given))

    return run


OPERATIONS: dict[str, Callable[[list[Tensor], dict[str, Any]], Tensor]] = {
    "_FusedConv2D": lambda given, own: _convolved(given, own, depthwise=False),
    "Conv2D": lambda given, own: _convolved(given, own, depthwise=False),
    "DepthwiseConv2dNative": lambda given, own: _convolved(given, own, depthwise=True),
    "FusedDepthwiseConv2dNative": lambda given, own: _convolved(given, own, depthwise=True),
    "Add": _elementwise(torch.add),
    "AddV2": _elementwise(torch.add),
    "Sub": _elementwise(torch.sub),
    "Mul": _elementwise(torch.mul),
    "ConcatV2": _joined,
    "Mean": _mean,
    "ResizeBilinear": _resized,
    "Identity": lambda given, own: given[0],
    "Relu": lambda given, own: F.relu(given[0]),
    "Relu6": lambda given, own: F.relu6(given[0]),
    "Sigmoid": lambda given, own: torch.sigmoid(given[0]),
}
