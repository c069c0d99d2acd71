"""Gradient-based RD (Eq. 7) for any PyTorch module, through a forward hook on its encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import feature_tensors
from fusionlab.ttd.gradient import FeatureGradients
from fusionlab.ttd.losses import reconstruction_loss

Run = Callable[[Tensor], Tensor]
"""Sources of one sample, (1, M, C, H, W), to an image, (1, C, H, W)."""


def gradients_of_components(
    encoder: nn.Module, reconstruct: Run, sources: Tensor, loss: str
) -> FeatureGradients:
    """Gradient of each source's loss with respect to what the encoder made of it.

    Where a reconstruction encodes its source more than once, the gradients are added up.

    Args:
        encoder: The module.
        reconstruct: Reconstructs one source alone, M = 1.
        sources: Of one sample, (1, M, C, H, W).
        loss: ``l1``, ``mse``, ``ssim`` or ``structure``.

    Raises:
        InputError: If no gradient comes back to the encoder's output.
    """
    found, images = [], []
    for source in sources.split(1, dim=1):
        image, leaves = _run(encoder, reconstruct, source)
        with _graph():
            total = reconstruction_loss(image.unsqueeze(1), source.clone(), loss).float().sum()
        gradients = _gradients(total, [leaf for call in leaves for leaf in call])
        count = len(leaves[0])  # branches
        branches = [gradients[k::count] for k in range(count)]
        found.append([sum(one.sum(0, keepdim=True) for one in branch) for branch in branches])
        images.append(image.detach())
    return FeatureGradients(
        tuple(torch.stack(list(branch), 1) for branch in zip(*found, strict=True)),
        torch.stack(images, 1),
    )


def gradients_of_fused(
    encoder: nn.Module, fuse: Run, sources: Tensor, loss: str
) -> FeatureGradients:
    """Gradient of the loss between fused image and each source, with respect to its features.

    Args:
        encoder: Called once for each source, in order, or once on all.
        fuse: The network.
        sources: Of one sample, (1, M, C, H, W).
        loss: ``l1``, ``mse``, ``ssim`` or ``structure``.

    Raises:
        InputError: If no gradient comes back, or the encoder is called another number of times.
    """
    count = sources.shape[1]
    fused, leaves = _run(encoder, fuse, sources)
    encoded = sum(len(call[0]) for call in leaves)
    if encoded != count:
        raise InputError(
            f"the encoder encoded {encoded} of {count} sources; name the module that encodes each "
            "source once"
        )
    with _graph():
        images = fused.unsqueeze(1).expand_as(sources)
        losses = reconstruction_loss(images, sources.clone(), loss).float()
        totals = losses.flatten(2).sum((0, 2)).unbind(0)
    found = []
    for m, total in enumerate(totals):
        place, call = (m, leaves[0]) if len(leaves) == 1 else (0, leaves[m])
        gradients = _gradients(total, list(call), keeps_graph=m + 1 < count)
        found.append([one[place : place + 1] for one in gradients])
    return FeatureGradients(
        tuple(torch.stack(branch, 1) for branch in zip(*found, strict=True)), images.detach()
    )


@contextmanager
def _graph() -> Iterator[None]:
    """Make a graph, in inference mode too."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def _cut(encoder: nn.Module) -> Iterator[list[tuple[Tensor, ...]]]:
    """Let the graph begin at the encoder's output: leaves, by call and branch."""
    calls: list[tuple[Tensor, ...]] = []
    thread = get_ident()

    def cut(module: nn.Module, inputs: Any, output: Any) -> Any:
        if get_ident() != thread:  # another thread fuses with the same network
            return output
        calls.append(tuple(x.detach().requires_grad_() for x in feature_tensors(output)))
        return calls[-1] if isinstance(output, tuple) else calls[-1][0]

    handle = encoder.register_forward_hook(cut)
    try:
        yield calls
    finally:
        handle.remove()


def _run(encoder: nn.Module, run: Run, sources: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """An image with its graph, and the leaves of the graph."""
    with _graph(), _cut(encoder) as leaves:
        image = run(sources.detach().clone())
    if not leaves or not image.requires_grad:
        raise InputError(
            "no gradient comes back from the image to the encoder's output; run the network with "
            "gradients (no torch.no_grad inside), name a module that the image depends on, or set "
            "ttd.basis to loss"
        )
    return image, leaves


def _gradients(
    total: Tensor, leaves: list[Tensor], keeps_graph: bool = False
) -> tuple[Tensor, ...]:
    found = torch.autograd.grad(total, leaves, retain_graph=keeps_graph, allow_unused=True)
    return tuple(
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    )
