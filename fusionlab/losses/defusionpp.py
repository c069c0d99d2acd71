"""The objective of DeFusion++: decompose and fuse as DeFusion, and fuse what few tokens tell.

Liang, Jiang, Ma, Liu and Ma: Fusion from Decomposition: A Self-Supervised Approach for Image Fusion
and Beyond, 2024, https://arxiv.org/abs/2410.12274
Authors' code: https://github.com/erfect2020/DeFusion-plusplus (this loss in its history)
Differs: the authors did not publish their data; these are masked as DeFusion's. What is random
within a step (order, dropout, masked tokens) follows from the seed of its items, so that a resumed
training ends in the same bits. The options are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from kornia.losses import ssim_loss
from torch import Tensor
from torch.utils.data import Dataset

from fusionlab.data.pretext import JITTER, VEILS, parts_of
from fusionlab.losses.base import Objective, Step
from fusionlab.losses.defusion import Masking, distances
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.defusionpp import ORDERS, DeFusionPP, grid_of
from fusionlab.networks.mae import check_state, read_encoder
from fusionlab.settings import Training

WINDOW = 11
COMMON, UNIQUE, FUSED, SIMILARITY, MASKED = 20, 10, 100, 50, 2  # weights


class DeFusionPPObjective(Objective):
    """Common, unique and fused image, and the image of a quarter of the tokens.

    A part counts outside its mask as much as within, where it shall be 0.

    Args:
        encoder: File (or address) of weights that the encoder starts from: TinyMIM's
            ``TinyMIM-PT-Tstar.pth``, or an MAE of that size. None to start from scratch.
        jitter: Least factor of brightness, contrast and saturation of a photograph, at most 1.
        veils: What is seen where a mask hides the photograph; as for DeFusion.
        longest: Pixels to which the longer side of larger photographs is reduced; None for none.
    """

    trains: ClassVar[type[FusionNetwork]] = DeFusionPP
    smallest_crop: ClassVar[int] = 32
    whole_crops: ClassVar[bool] = True
    unused_parameters: ClassVar[bool] = True  # the last norm of the encoder, which is not applied

    def __init__(
        self,
        encoder: str | None = None,
        jitter: float = JITTER,
        veils: Sequence[str] = VEILS[:1],
        longest: int | None = None,
    ) -> None:
        super().__init__()
        self.masking = Masking(jitter, veils, longest)
        self.start: tuple[str, dict[str, Tensor]] | None = None
        if encoder is not None:
            self.start = encoder, read_encoder(encoder)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch of :class:`~fusionlab.data.pretext.MaskedPhotographs`."""
        assert isinstance(network, DeFusionPP)
        sources = batch["sources"]
        with drawn_from(int(batch["seed"][0]), sources.device):
            order = ORDERS[int(torch.rand(()) <= 0.5)]
            rows, columns = grid_of(sources)
            places = torch.rand(len(sources), rows * columns).argsort(1).argsort(1)
            return pretext_terms(network, batch, order, places.to(sources.device))

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Masked photographs; validation as usual."""
        return self.masking.open(self.name, settings, seed), None

    def check_network(self, network: FusionNetwork) -> None:
        """Refuse a network that is no DeFusion++, or whose encoder has another size."""
        super().check_network(network)
        if self.start is not None:
            where, state = self.start
            assert isinstance(network, DeFusionPP)
            check_state(network.encoder.state_dict(), state, where)

    def prepare(self, network: FusionNetwork) -> None:
        """Give the encoder the weights to start from."""
        if self.start is not None:
            assert isinstance(network, DeFusionPP)
            network.encoder.load_state_dict(self.start[1])
            self.start = None


def pretext_terms(
    network: DeFusionPP, batch: dict[str, Any], order: str, places: Tensor
) -> dict[str, Tensor]:
    """The five terms, each summed over the batch.

    Args:
        network: The network.
        batch: ``sources`` (B, 2, 3, S, S), ``masks`` (B, 2, 1, S, S), ``reference`` (B, 3, S, S).
        order: Of the common block.
        places: Of the tokens, see :meth:`~DeFusionPP.masked_image`.
    """
    sources, image = batch["sources"], batch["reference"]
    features = network.features(network.encode_sources(sources), order)
    common, unique = network.images(features, sources)
    fused = network.decode(network.combine(features), sources)
    masked = network.masked_image(features.decomposition.value, places, grid_of(sources))
    of_both, of_each = parts_of(image, batch["masks"])
    with torch.autocast(sources.device.type, enabled=False):
        common, unique, fused, masked = (x.to(image.dtype) for x in (common, unique, fused, masked))
        alone = UNIQUE * distances(unique, of_each)
        similarity = len(image) * ssim_loss(fused, image, WINDOW)
        return {
            "common": COMMON * distances(common, of_both).sum(),
            "unique_1": alone[:, 0].sum(),
            "unique_2": alone[:, 1].sum(),
            "fused": FUSED * distances(fused, image).sum() + SIMILARITY * similarity,
            "masked": MASKED * distances(masked, image).sum(),
        }


@contextmanager
def drawn_from(seed: int, device: torch.device) -> Iterator[None]:
    """PyTorch's random numbers follow from a seed; afterwards they go on as if nothing was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
