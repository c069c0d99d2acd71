"""What every fusion network is: an encoder, a static rule and a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from torch import Tensor, nn

from fusionlab.networks.published import Published


class FusionNetwork(nn.Module):
    """A fusion network behind the contract that test-time dynamic fusion relies on.

    A network implements :meth:`encode`, :meth:`combine` and :meth:`decode`. Its output is in the
    range of its sources but is not clamped; whoever shows or scores an image clamps it.

    The contract: weights of 1/M return exactly what no weights return.
    """

    channels: tuple[int, ...] = (1,)
    """Channels the network takes: 1 (luma), 3 (RGB)."""

    rgb_tasks: frozenset[str] = frozenset()
    """Tasks on which its authors fuse RGB; on the others it fuses luma."""

    luma_thrice: ClassVar[bool] = False
    """Its authors give it luma three times and take the luma of what they clamp; so we evaluate."""

    stretched: ClassVar[bool] = False
    """Its authors stretch each fused image to the full range before they save or score it."""

    smallest: ClassVar[int] = 1
    """Least height and width of its sources, pixels."""

    source_count: ClassVar[int | None] = None
    """Number of sources it takes; None for any."""

    takes_largest: bool = False
    """Its static rule takes the largest features: TTD must not make any source's larger."""

    paper: ClassVar[str] = ""
    """Authors, venue and year."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """Tasks that its authors made it for, of vif, mif, mef and mff."""

    terms: ClassVar[str] = ""
    """Licence of its authors' code and weights."""

    published: ClassVar[tuple[Published, ...]] = ()
    """Its authors' checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""  # this and the next two are set by create_network
        self.options: dict[str, Any] = {}
        self.checkpoint: dict[str, str] = {}  # path and SHA-256 of the file the weights come from

    def encode(self, sources: Tensor) -> Any:
        """Features of every source: (B, M, C, H, W) to (B, M, F, H, W), in one batch of B·M.

        A network with several branches returns a tuple of such tensors.
        """
        raise NotImplementedError

    def combine(self, features: Any, weights: Tensor | None = None) -> Any:
        """The static rule over M: (B, M, F, H, W), scaled by M·weights, to (B, F, H, W)."""
        raise NotImplementedError

    def decode(self, combined: Any, sources: Tensor) -> Tensor:
        """The image of combined features: (B, F, H, W) to (B, C, H, W), unclamped.

        ``sources`` (B, M, C, H, W) tells how many channels are wanted and serves networks whose
        decoder adds to a source.
        """
        raise NotImplementedError

    def components(self, features: Any, sources: Tensor) -> Tensor:
        """Uni-source components, the network run on each source alone: (B, M, C, H, W)."""
        if isinstance(features, tuple):
            alone: Any = tuple(branch.flatten(0, 1).unsqueeze(1) for branch in features)
        else:
            alone = features.flatten(0, 1).unsqueeze(1)
        images = sources.flatten(0, 1).unsqueeze(1)
        return self.decode(self.combine(alone), images).unflatten(0, sources.shape[:2])

    def forward(self, sources: Tensor, weights: Tensor | None = None) -> Tensor:
        """Fuse M sources.

        Args:
            sources: (B, M, C, H, W) in [0, 1], M ≥ 1; C is one of ``channels``.
            weights: Relative Dominability, (B, M, 1, H, W), summing to 1 over M; None for the
                static rule.

        Returns:
            The fused images, (B, C, H, W), unclamped.

        Raises:
            ValueError: If ``sources`` or ``weights`` have another shape.
        """
        self.check_sources(sources)
        return self.decode(self.combine(self.encode(sources), weights), sources)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The content of its authors' checkpoint in our keys; here theirs are ours.

        Raises:
            InputError: If it is theirs, but incomplete.
        """
        return content

    def describe(self) -> dict[str, Any]:
        """What a result says of its network: name, options, checkpoint (empty if untrained)."""
        return {"name": self.name, "options": self.options, "checkpoint": self.checkpoint}

    def check_sources(self, sources: Tensor) -> None:
        """Refuse anything but (B, M, C, H, W), not empty, with a number of channels it takes."""
        fits = sources.ndim == 5 and sources.shape[1] > 0 and sources.shape[2] in self.channels
        if not fits or min(sources.shape[3:]) < self.smallest:
            channels = " or ".join(map(str, self.channels))
            raise ValueError(
                f"sources must be (B, M, C, H, W) with M ≥ 1, C = {channels} and "
                f"H, W ≥ {self.smallest}, got {tuple(sources.shape)}"
            )
        if not sources.is_floating_point():
            raise ValueError(f"sources must be floating point in [0, 1], got {sources.dtype}")
        if self.source_count not in (None, sources.shape[1]):
            raise ValueError(
                f"{self.name or type(self).__name__} takes exactly {self.source_count} sources, "
                f"got {sources.shape[1]}"
            )


def scale_features(features: Tensor, weights: Tensor | None) -> Iterator[Tensor]:
    """Features times M·weights, source by source: the one place where TTD touches a network.

    Args:
        features: (B, M, F, H, W).
        weights: (B, M, 1, H, W), or None to leave the features as they are.

    Returns:
        M tensors (B, F, H, W), of the features' type, each made when it is asked for. Dividing by
        1/M, rounded as the weights are, makes uniform weights the identity bit for bit for every
        M; multiplying by M would not (M = 41 in float32).

    Raises:
        ValueError: If the shapes do not fit.
    """
    if weights is None:
        return iter(features.unbind(1))
    expected = (*features.shape[:2], 1, *features.shape[3:])
    if weights.shape != expected:
        raise ValueError(
            f"weights must be {expected} for these features, got {tuple(weights.shape)}"
        )
    scales = weights / weights.new_full((), 1 / features.shape[1])
    pairs = zip(features.unbind(1), scales.unbind(1), strict=True)
    return (
        (feature * scale).to(features.dtype) for feature, scale in pairs
    )  # else autocast widens
