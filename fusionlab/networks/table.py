"""The table of networks in docs/networks.md: ``fusionlab networks table``."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from fusionlab.networks import create_network, list_networks
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.published import Published
from fusionlab.registry import NETWORKS

SIZE = 256  # height and width at which products are counted, or a smaller multiple of a tile
HEADINGS = (
    "network",
    "paper",
    "parameters",
    "MACs per pixel",
    "sources",
    "tasks",
    "published checkpoints",
    "licence of its authors' code and weights",
)


def networks_table() -> str:
    """One row for each network with its default options, as GitHub's Markdown."""
    lines = [HEADINGS, ("---", "---", "---:", "---:", *["---"] * 4)]
    lines += [_row(name) for name in list_networks()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def macs_per_pixel(network: FusionNetwork, size: int = SIZE) -> float:
    """Multiply-adds of convolutions and matrix products to fuse two luma sources.

    Convention: per pixel of one source; half the FLOPs that PyTorch counts; norms, activations,
    padding and the rule are not counted.

    Args:
        network: One on fake tensors, which have shapes but no values.
        size: Height and width of the sources.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 2, network.channels[0], size, size))
    return counter.get_total_flops() / 2 / size**2


def _row(name: str) -> tuple[str, ...]:
    network = NETWORKS[name]
    parameters, macs = _size(name) if network.trainable else ("none", "–")
    return (
        f"`{name}`",
        network.paper,
        parameters,
        macs,
        str(network.source_count or "any"),
        ", ".join(network.tasks),
        ", ".join(map(_linked, network.published)),
        network.licence,
    )


def _size(name: str) -> tuple[str, str]:
    with FakeTensorMode():  # not the meta device, which knows no autocast
        network = create_network(name)
        multiple = network.size_multiple
        steps, network.steps = network.steps, 1  # all alike
        macs = steps * macs_per_pixel(network, max(1, SIZE // multiple) * multiple)
    count = sum(parameter.numel() for parameter in network.parameters())
    return f"{count:,}", f"{macs / 1000:,.0f} k"


def _linked(published: Published) -> str:
    unseen = "" if published.sha256 else " †"
    file = f"[{published.file}]({published.url})" if published.url else published.file
    return file + unseen
