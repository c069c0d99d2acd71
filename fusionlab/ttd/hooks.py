"""TTD for any PyTorch module, through a forward hook on its encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import check_evaluation_mode, gain_at
from fusionlab.registry import TTD_LOSSES
from fusionlab.settings.ttd import OBJECTIVE, TTD
from fusionlab.ttd.dominability import feature_gain, relative_dominability, score_gain
from fusionlab.ttd.fusion import DynamicFusion
from fusionlab.ttd.gradient import gradient_magnitude
from fusionlab.ttd.hooked_gradient import gradients_of_components, gradients_of_fused
from fusionlab.ttd.losses import reconstruction_loss

Fuse = Callable[[Tensor], Tensor]
"""Runs the network: sources of one sample, (1, M, C, H, W), to its fused image, (1, C, H, W)."""


class HookedDynamicFusion:
    """Test-time dynamic fusion of a network that is no :class:`FusionNetwork`.

    Runs it once on each source alone, then on all with the encoder's output scaled by the gain. It
    cannot reuse features: each source is encoded twice. A uniform RD gives the network's own
    output, bit for bit. Samples of a batch are fused one after the other.

        dynamic = HookedDynamicFusion(
            network, "encoder", lambda sources: network(sources[:, 0], sources[:, 1]),
            reconstruct=lambda source: network(source[:, 0], source[:, 0]),
        )
        result = dynamic(sources)  # (B, M, C, H, W), in the range that the network wants

    Args:
        module: The network.
        encoder: Dotted name of the module inside it whose output is scaled: (1, F, h, w), called
            once for each source in order, or (M, F, h, w), called once on all; or a tuple of such.
        fuse: Fuses one sample with the network.
        reconstruct: Reconstructs one source, (1, 1, C, H, W) to (1, C, H, W). Default: ``fuse``.
        settings: Settings of TTD without automatic temperature or channel, and without the loss
            ``objective``. Gain ``auto`` is ``share`` here: set ``largest`` if the network's rule
            takes the maximum of the features, which a module does not tell.

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
        self.module, self.encoder, self.name = module, part_of(module, encoder), encoder
        self.run, self.reconstruct = fuse, reconstruct or fuse
        self.settings = (settings or TTD()).resolved(max_rule=False)
        if self.settings.needs_calibration:
            raise InputError(
                "TTD through hooks chooses no temperature or channel; set ttd.temperature and "
                "ttd.channel to numbers"
            )
        if self.settings.loss == OBJECTIVE:
            raise InputError("TTD through hooks knows no objective; set ttd.loss to l1")

    def __call__(self, sources: Tensor) -> DynamicFusion:
        """Fuse (B, M, C, H, W) dynamically.

        Raises:
            InputError: If the encoder is not called as it should be, or the module is in training
                mode.
        """
        check_evaluation_mode(self.module)
        samples = [self._fuse_one(sample) for sample in sources.split(1)]
        return DynamicFusion(*(torch.cat(parts) for parts in zip(*samples, strict=True)))

    def fuse(self, sources: Tensor, gain: Tensor) -> Tensor:
        """Fuse one sample, (1, M, C, H, W), with given gains, (1, M, 1, H, W)."""
        with scaled(self.encoder, gain[0], self.name):
            return self.run(sources)

    def _fuse_one(self, sources: Tensor) -> DynamicFusion:
        settings, (criterion, images) = self.settings, self._criterion(sources)
        losses = criterion
        if settings.basis == "gradient":
            losses = reconstruction_loss(images, sources, str(settings.loss))
        temperature, form = float(str(settings.temperature)), str(settings.form)
        correlation = str(settings.correlation)
        rd = relative_dominability(
            criterion, temperature, form, str(settings.normalization), correlation
        )
        if settings.normalization == "none":
            gain = score_gain(criterion, temperature, form, correlation)
        else:
            gain = feature_gain(rd, str(settings.gain))
        return DynamicFusion(self.fuse(sources, gain), rd, images, losses)

    def _criterion(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Losses or magnitudes of gradients, (1, M, 1, H, W), and the images compared."""
        settings, loss = self.settings, str(self.settings.loss)
        if settings.basis == "gradient":
            if settings.compare == "fused":
                found = gradients_of_fused(self.encoder, self.run, sources, loss)
            else:
                found = gradients_of_components(self.encoder, self.reconstruct, sources, loss)
            size = (sources.shape[3], sources.shape[4])
            windowed = TTD_LOSSES[loss].windowed
            channel: Any = settings.channel
            return gradient_magnitude(found.branches, size, channel, windowed), found.images
        if settings.compare == "fused":
            images = self.run(sources).unsqueeze(1).expand_as(sources)
        else:
            alone = [self.reconstruct(source.unsqueeze(1)) for source in sources.unbind(1)]
            images = torch.stack(alone, 1)
        return reconstruction_loss(images, sources, loss), images


@contextmanager
def scaled(encoder: nn.Module, gain: Tensor, name: str = "the encoder") -> Iterator[None]:
    """Scale what an encoder returns by a gain while one sample is fused.

    The hook acts in this thread only, and is gone afterwards, also after an error.

    Args:
        encoder: Called once for each source, in order, or once on all.
        gain: (M, 1, H, W). Averaged over areas for smaller features.
        name: What messages call the encoder.

    Raises:
        InputError: If it is called another number of times, or its output fits neither way.
    """
    count, calls, thread = len(gain), 0, get_ident()

    def scale(module: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal calls
        if get_ident() != thread:  # another thread fuses with the same network
            return output
        first = calls
        calls += _batch(output, count, name)
        if calls > count:
            raise InputError(f"{name} is called more often than there are sources ({count})")
        return _times(output, gain[first:calls])

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


def _times(output: Any, gain: Tensor) -> Any:
    if isinstance(output, tuple):
        return tuple(_times(part, gain) for part in output)
    height, width = output.shape[2:]
    return (output * gain_at(gain[None], (height, width))[0]).to(output.dtype)
