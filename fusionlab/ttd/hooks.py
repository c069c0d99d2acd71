"""TTD for any PyTorch module, through a forward hook on its encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.settings import TTD
from fusionlab.ttd.dominability import reconstruction_loss, relative_dominability
from fusionlab.ttd.fusion import DynamicFusion
from fusionlab.ttd.gradient import gradient_magnitude
from fusionlab.ttd.hooked_gradient import gradients_of_components, gradients_of_fused
from fusionlab.ttd.temperature import image_temperatures

Fuse = Callable[[Tensor], Tensor]
"""Runs the network: sources of one sample, (1, M, C, H, W), to its fused image, (1, C, H, W)."""


class HookedDynamicFusion:
    """Test-time dynamic fusion of a network that is no :class:`FusionNetwork`.

    Runs it once on each source alone, then on all with the encoder's output scaled by M·ω. It
    cannot reuse features: each source is encoded twice. Uniform weights give the network's own
    output, bit for bit. Samples of a batch are fused one after the other.

        dynamic = HookedDynamicFusion(
            network, "encoder", lambda sources: network(sources[:, 0], sources[:, 1]),
            reconstruct=lambda source: network(source[:, 0], source[:, 0]),
        )
        result = dynamic(sources)  # (B, M, C, H, W), in the range that the network wants

    Args:
        module: The network.
        encoder: Dotted name of the module inside it whose output is weighted: (1, F, h, w), called
            once for each source in order, or (M, F, h, w), called once on all; or a tuple of such.
        fuse: Fuses one sample with the network.
        reconstruct: Reconstructs one source, (1, 1, C, H, W) to (1, C, H, W). Default: ``fuse``.
        settings: As for :class:`TestTimeDynamicFusion`, but for an automatic channel and the loss
            ``objective``. Default: fusionlab's, whose normalization ``auto`` is softmax here: set
            peak if the network's rule takes the largest features, which a module does not tell.

    Raises:
        InputError: If the module has no such part, or the settings ask for what hooks cannot do.
    """

    def __init__(
        self,
        module: nn.Module,
        encoder: str,
        fuse: Fuse,
        reconstruct: Fuse | None = None,
        settings: TTD | None = None,
    ) -> None:
        self.encoder, self.name = part_of(module, encoder), encoder
        self.run, self.reconstruct = fuse, reconstruct or fuse
        self.weighting = (settings or TTD()).resolved(takes_largest=False).choices()
        self.basis: str = self.weighting.pop("basis")
        self.compare: str = self.weighting.pop("compare")
        self.loss: str = self.weighting.pop("loss")
        self.channel: int | str = self.weighting.pop("channel")
        if self.channel == "auto":
            raise InputError("TTD through hooks chooses no channel; set ttd.channel to a number")
        if self.loss == "objective":
            raise InputError("TTD through hooks knows no objective; set ttd.loss to l1")

    def __call__(self, sources: Tensor) -> DynamicFusion:
        """Fuse (B, M, C, H, W) dynamically.

        Raises:
            InputError: If the encoder is not called as it should be.
        """
        samples = [self._fuse_one(sample) for sample in sources.split(1)]
        return DynamicFusion(*(torch.cat(parts) for parts in zip(*samples, strict=True)))

    def fuse(self, sources: Tensor, weights: Tensor) -> Tensor:
        """Fuse one sample, (1, M, C, H, W), with given weights, (1, M, 1, H, W)."""
        with scaled(self.encoder, weights[0], self.name):
            return self.run(sources)

    def _fuse_one(self, sources: Tensor) -> DynamicFusion:
        evidence, images = self._evidence(sources)
        losses = evidence
        if self.basis == "gradient":
            losses = reconstruction_loss(images, sources, self.loss)
        choices = dict(self.weighting)
        if choices["temperature"] == "auto":
            choices["temperature"] = image_temperatures(evidence)
        weights = relative_dominability(evidence, **choices)
        return DynamicFusion(self.fuse(sources, weights), weights, images, losses)

    def _evidence(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Losses or magnitudes of gradients, (1, M, 1, H, W), and the images compared."""
        if self.basis == "gradient":
            if self.compare == "fused":
                found = gradients_of_fused(self.encoder, self.run, sources, self.loss)
            else:
                found = gradients_of_components(self.encoder, self.reconstruct, sources, self.loss)
            height, width = sources.shape[3:]
            size = (height, width)
            return gradient_magnitude(found.branches, size, self.channel, self.loss), found.images
        if self.compare == "fused":
            images = self.run(sources).unsqueeze(1).expand_as(sources)
        else:
            alone = [self.reconstruct(source.unsqueeze(1)) for source in sources.unbind(1)]
            images = torch.stack(alone, 1)
        return reconstruction_loss(images, sources, self.loss), images


@contextmanager
def scaled(encoder: nn.Module, weights: Tensor, name: str = "the encoder") -> Iterator[None]:
    """Scale what an encoder returns by M·weights while one sample is fused.

    The hook is gone afterwards, also after an error.

    Args:
        encoder: Called once for each source, in order, or once on all.
        weights: (M, 1, H, W), summing to 1. Averaged over areas for smaller features.
        name: What messages call the encoder.

    Raises:
        InputError: If it is called another number of times, or its output fits neither way.
    """
    count, calls = len(weights), 0
    scales = weights / weights.new_full((), 1 / count)  # exactly 1 for uniform weights

    def scale(module: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal calls
        first = calls
        calls += _batch(output, count, name)
        if calls > count:
            raise InputError(f"{name} is called more often than there are sources ({count})")
        return _times(output, scales[first:calls])

    handle = encoder.register_forward_hook(scale)
    try:
        yield
    finally:
        handle.remove()
    if calls < count:
        raise InputError(
            f"{name} encoded {calls} of {count} sources; name the module that encodes every source"
        )


def part_of(module: nn.Module, name: str) -> nn.Module:
    """The part of a module with this dotted name.

    Raises:
        InputError: If there is none; the message lists those there are.
    """
    parts = dict(module.named_modules())
    if name not in parts or not name:
        known = ", ".join(filter(None, parts))
        raise InputError(f"{type(module).__name__} has no module {name!r}; it has {known}")
    return parts[name]


def _batch(output: Any, count: int, name: str) -> int:
    """How many sources an output holds: 1, or all."""
    tensors = output if isinstance(output, tuple) else (output,)
    fits = all(isinstance(x, Tensor) and x.ndim == 4 and len(x) in (1, count) for x in tensors)
    lengths = {len(x) for x in tensors} if fits else set()
    if len(lengths) != 1:
        got = ", ".join(
            str(tuple(x.shape)) if isinstance(x, Tensor) else type(x).__name__ for x in tensors
        )
        raise InputError(
            f"{name} must return (1, F, h, w) for each source or ({count}, F, h, w) for all, "
            f"got {got}"
        )
    return lengths.pop()


def _times(output: Any, scales: Tensor) -> Any:
    if isinstance(output, tuple):
        return tuple(_times(part, scales) for part in output)
    if output.shape[2:] != scales.shape[2:]:
        scales = F.adaptive_avg_pool2d(scales, output.shape[2:])
    return (output * scales).to(output.dtype)
