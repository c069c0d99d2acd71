"""A batch of sources, encoded once, and what methods have in common, computed once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from fusionlab.networks.base import FusionNetwork, map_features
from fusionlab.ttd.gradient import FeatureGradients, LossMap, feature_gradients, gradient_magnitude
from fusionlab.ttd.losses import reconstruction_loss

T = TypeVar("T")


class Encoded:
    """B samples on their way through a network.

    The static output, the components, the losses and the gradients are computed when they are
    first asked for and kept, so that several settings of TTD share them. Sources are padded as
    the network declares; what is returned has the size of the sources.

    Args:
        network: The network, in evaluation mode.
        sources: What it takes, (B, M, C, H, W) in [0, 1].
        task: For networks that use it.
        order: Places of the sources in the order that the network is given them, (B, M); None for
            their own. Only the network sees that order: whatever goes in or comes out has theirs.

    Raises:
        ValueError: If the network does not take these sources.
    """

    def __init__(
        self,
        network: FusionNetwork,
        sources: Tensor,
        task: str | None = None,
        order: Tensor | None = None,
    ) -> None:
        network.check_sources(sources)
        self.network, self.sources, self.task = network, sources, task
        with torch.inference_mode(False):  # gradients go past it, see feature_gradients
            self._order = None if order is None else order.clone()
            self._padded = self._ordered(network.pad(sources)).clone()
        self._steps = Steps(sources.device)
        self._gradients: tuple[Any, FeatureGradients | None] = (None, None)

    @property
    def features(self) -> Any:
        """What the encoder makes of the padded sources."""

        def encode() -> Any:
            features = self.network.encode_for(self._padded, self.task)
            return map_features(self._restored, features)

        return self._steps.once("features", encode)

    @property
    def static(self) -> Tensor:
        """The static fused images, (B, C, H, W), unclamped."""
        return self._steps.once("static", lambda: self.fuse(None))

    @property
    def components(self) -> Tensor:
        """Uni-source components, (B, M, C, H, W), unclamped."""
        return self._steps.once("components", lambda: self.components_of(self.features))

    def fuse(self, gain: Tensor | None) -> Tensor:
        """Fused images, (B, C, H, W), of features scaled by a gain, (B, M, 1, H, W)."""
        return self.fused_of(self.features, gain)

    def fused_of(self, features: Any, gain: Tensor | None = None) -> Tensor:
        """The same of given features."""
        network = self.network
        padded = None if gain is None else self._ordered(network.pad(gain, 1.0))
        combined = network.combine(map_features(self._ordered, features), padded)
        return network.crop(network.decode(combined, self._padded), self.sources)

    def components_of(self, features: Any) -> Tensor:
        """Components, (B, M, C, H, W), of given features."""
        features = map_features(self._ordered, features)
        images = self.network.components_for(features, self._padded, self.task)
        return self.network.crop(self._restored(images), self.sources)

    @property
    def decomposition(self) -> tuple[Tensor, Tensor]:
        """The common image and the unique images, of a network that decomposes.

        They are (B, C, H, W) and (B, M, C, H, W), unclamped.
        """
        return self._steps.once("decomposition", self._decompose)

    def compared(self, compare: str) -> Tensor:
        """What is held against the sources, (B, M, C, H, W): components or the static image."""
        if compare == "components":
            return self.components
        return self.static.unsqueeze(1).expand_as(self.sources)

    def losses(self, compare: str, loss: str) -> Tensor:
        """Loss per pixel, (B, M, 1, H, W), ≥ 0."""
        return self._steps.once(
            ("losses", compare, loss),
            lambda: reconstruction_loss(self.compared(compare), self.sources, loss),
        )

    def gradients(self, compare: str, name: str, loss: LossMap) -> FeatureGradients:
        """Gradients of the features; only the last ones are kept, since they are large.

        Args:
            compare: ``components`` or ``fused``.
            name: Name of the loss.
            loss: The loss.
        """
        key = ("gradients", compare, name)
        if self._gradients[0] != key:
            self._steps.forget(self._gradients[0])
            self._gradients = (key, None)

        def compute() -> FeatureGradients:
            make = self.components_of if compare == "components" else self._fused_for_each
            return feature_gradients(self.features, self.sources, make, loss, compare)

        return self._steps.once(key, compute)

    def magnitude(
        self, compare: str, name: str, loss: LossMap, channel: int | str, windowed: bool
    ) -> Tensor:
        """Magnitude of these gradients per pixel, (B, M, 1, H, W), ≥ 0.

        Args:
            compare: As for :meth:`gradients`, with the next two.
            name: Name of the loss.
            loss: The loss.
            channel: Number of a channel, or ``mean``.
            windowed: Whether the loss looks at windows.
        """
        found = self.gradients(compare, name, loss).branches
        magnitude = gradient_magnitude(found, self.encoded_size, channel, windowed)
        return self.network.crop(magnitude, self.sources)

    @property
    def encoded_size(self) -> tuple[int, int]:
        """Height and width of the padded sources."""
        return self._padded.shape[-2], self._padded.shape[-1]

    def timed(self) -> Any:
        """A context whose value has, in the end, the seconds that its content takes on its own.

        What was computed before, and is used again, counts as if it were computed now.
        """
        return self._steps.timed()

    def _ordered(self, images: Tensor) -> Tensor:
        """(B, M, ...) in the order of the network."""
        return images if self._order is None else at_places(images, self._order)

    def _restored(self, images: Tensor) -> Tensor:
        """(B, M, ...) in the order of the sources again."""
        return images if self._order is None else at_places(images, self._order.argsort(1))

    def _decompose(self) -> tuple[Tensor, Tensor]:
        features = map_features(self._ordered, self.features)
        common, unique = self.network.images(features, self._padded)
        network, sources = self.network, self.sources
        return network.crop(common, sources), network.crop(self._restored(unique), sources)

    def _fused_for_each(self, features: Any) -> Tensor:
        return self.fused_of(features).unsqueeze(1).expand_as(self.sources)


def at_places(images: Tensor, places: Tensor) -> Tensor:
    """(B, M, ...), the sources of each sample at its places, (B, M)."""
    return images[torch.arange(len(images), device=images.device).unsqueeze(1), places]


class Seconds:
    """How long something took; ``value`` is set when it has ended."""

    value: float = float("nan")


class Steps:
    """Values that are computed once, and how long each took.

    Args:
        device: Where they are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._values: dict[Any, Any] = {}
        self._seconds: dict[Any, float] = {}  # of each step alone
        self._needs: dict[Any, set[Any]] = {}  # steps that it uses, and those that they use
        self._running: list[tuple[set[Any], list[float]]] = []  # needs and time of inner steps
        self._reused: tuple[set[Any], set[Any]] | None = None  # made, used since timing began

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """The value of a step, computed unless it is there."""
        if key not in self._values:
            needs: set[Any] = set()
            inner: list[float] = []
            self._running.append((needs, inner))
            start = self._now()
            try:
                self._values[key] = compute()
            finally:
                self._running.pop()
            took = self._now() - start
            self._seconds[key], self._needs[key] = took - sum(inner), needs
            if self._running:
                self._running[-1][1].append(took)
            if self._reused is not None:
                self._reused[0].add(key)
        used = {key} | self._needs[key]
        if self._running:
            self._running[-1][0].update(used)
        if self._reused is not None:
            self._reused[1].update(used)
        return self._values[key]

    def forget(self, key: Any) -> None:
        """Drop a value, for memory."""
        self._values.pop(key, None)

    @contextmanager
    def timed(self) -> Iterator[Seconds]:
        """See :meth:`Encoded.timed`."""
        made: set[Any] = set()
        used: set[Any] = set()
        self._reused = (made, used)
        seconds = Seconds()
        start = self._now()
        try:
            yield seconds
            reused = sum(self._seconds[key] for key in used - made)
            seconds.value = self._now() - start + reused
        finally:
            self._reused = None

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
