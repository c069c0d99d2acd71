"""The objective of CDDFuse: first decompose, then fuse.

Zhao et al., CVPR 2023, https://arxiv.org/abs/2211.14461
Authors' code: https://github.com/Zhaozixiang1228/MMIF-CDDFuse
Differs: both sources are encoded as one batch. SSIM and spatial gradients are of today's kornia
(the authors' is 0.2.0), to rounding the same. A network without a residual, as for the medical
checkpoint, decodes without one in the first phase too: the authors published no training for it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from kornia.filters import spatial_gradient
from kornia.metrics import ssim
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, ParameterGroup, Reconstruction, Step
from fusionlab.losses.sobel import edge_loss
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.cddfuse import CDDFuse


def cddfuse_reconstruction(components: Tensor, sources: Tensor) -> Tensor:
    """The first phase of :class:`CDDFuseObjective` but for the correlation of its features.

    As there the first, the visible source alone has a gradient term. Components have no residual.
    """
    rows = []
    for images, targets in zip(components.split(1), sources.split(1), strict=True):
        terms = reconstruction_terms(images, targets)
        for m in range(1, sources.shape[1] + 1):
            of_source = [value for name, value in terms.items() if name.endswith(f"_{m}")]
            rows.append(torch.stack(of_source).sum())
    return torch.stack(rows).view(sources.shape[:2])


class CDDFuseObjective(Objective):
    """Two phases; in both, base features shall correlate between the sources, detail shall not.

    First encoder and decoder learn to reconstruct each source from its own features, past the
    fusion layers; then all learn to fuse, unsupervised. The first source is the visible one.

    Args:
        decomposition_epochs: Epochs of the first phase; 0 leaves it out.
    """

    learns_from: ClassVar[Kind | None] = "pairs"
    trains: ClassVar[type[FusionNetwork]] = CDDFuse
    unused_parameters: ClassVar[bool] = True
    reconstruction: ClassVar[Reconstruction | None] = staticmethod(cddfuse_reconstruction)

    def __init__(self, decomposition_epochs: int = 40) -> None:
        super().__init__()
        if type(decomposition_epochs) is not int or decomposition_epochs < 0:
            raise InputError(
                "training.options.decomposition_epochs must be a whole number of at least 0, "
                f"got {decomposition_epochs!r}"
            )
        self.decomposition_epochs = decomposition_epochs

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W).

        Raises:
            InputError: If there are not two sources.
        """
        assert isinstance(network, CDDFuse)
        sources: Tensor = batch["sources"]
        if sources.shape[1] != 2:
            raise InputError(
                f"cddfuse learns from pairs, got {sources.shape[1]} sources of each scene; "
                "give a training.root that holds two"
            )
        base, detail = network.encode(sources)
        decomposing = step.epoch < self.decomposition_epochs
        if decomposing:
            images = reconstruct(network, base, detail, sources)
        else:
            images = network.decode(network.combine((base, detail)), sources)
        terms = reconstruction_terms if decomposing else fusion_terms
        with torch.autocast(sources.device.type, enabled=False):  # 16 bits are too coarse
            base, detail, images = (x.to(sources.dtype) for x in (base, detail, images))
            decomposition = 2 * decomposition_loss(base, detail)
            return {**terms(images, sources), "decomposition": decomposition}

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The four parts, each with its own schedule; the fusion layers begin in phase two."""
        assert isinstance(network, CDDFuse)
        start = self.decomposition_epochs
        return [
            ParameterGroup("encoder", list(network.encoder.parameters())),
            ParameterGroup("decoder", list(network.decoder.parameters())),
            ParameterGroup("base_fusion", list(network.base_fusion.parameters()), start),
            ParameterGroup("detail_fusion", list(network.detail_fusion.parameters()), start),
        ]


def reconstruct(network: CDDFuse, base: Tensor, detail: Tensor, sources: Tensor) -> Tensor:
    """Each source decoded from its own features, past the fusion layers, with itself as residual.

    Args:
        network: Where it has no residual, neither has this.
        base: (B, M, 64, H, W).
        detail: (B, M, 64, H, W).
        sources: (B, M, 1, H, W) in [0, 1].

    Returns:
        (B, M, 1, H, W) in (0, 1).
    """
    residual = None if network.residual == "none" else sources.flatten(0, 1)
    images = network.decoder(base.flatten(0, 1), detail.flatten(0, 1), residual)
    return images.unflatten(0, sources.shape[:2])


def reconstruction_terms(images: Tensor, sources: Tensor) -> dict[str, Tensor]:
    """Phase one, of reconstructions and sources, (B, 2, 1, H, W).

    Only the first, the visible source has a gradient term, as in the authors' code.
    """
    terms = {}
    for m, (image, source) in enumerate(zip(images.unbind(1), sources.unbind(1), strict=True), 1):
        terms[f"ssim_{m}"] = 5 * ssim_loss(image, source)
        terms[f"mse_{m}"] = F.mse_loss(image, source)
    visible, reconstruction = spatial_gradient(sources[:, 0]), spatial_gradient(images[:, 0])
    terms["gradient_1"] = 5 * F.l1_loss(reconstruction, visible)
    return terms


def fusion_terms(fused: Tensor, sources: Tensor) -> dict[str, Tensor]:
    """Phase two, of (B, 1, H, W) and (B, 2, 1, H, W): the brighter source, the stronger edge."""
    return {
        "intensity": F.l1_loss(fused, sources.amax(1)),
        "gradient": 10 * edge_loss(fused, sources),
    }


def ssim_loss(x: Tensor, y: Tensor) -> Tensor:
    """(1 − SSIM) / 2, at most 1/2, mean over pixels.

    Convention: 11x11 Gaussian window, sigma 1.5; borders reflected; images in [0, 1]. Where SSIM is
    negative the loss is 1/2 and has no gradient, as in kornia 0.2.0.
    """
    return (1 - ssim(x, y, window_size=11, max_val=1.0)).clamp(0, 1).mean() / 2


def decomposition_loss(base: Tensor, detail: Tensor) -> Tensor:
    """Squared correlation of the detail features over 1.01 + that of the base; (B, 2, F, H, W)."""
    return correlation(*detail.unbind(1)).square() / (1.01 + correlation(*base.unbind(1)))


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation over the pixels, mean over images and channels; (B, F, H, W).

    Convention: 0 where a channel is constant.
    """
    a, b = (x.flatten(2) - x.flatten(2).mean(2, keepdim=True) for x in (a, b))
    # a norm, for the root of a sum of squares would have no gradient at 0
    lengths = torch.linalg.vector_norm(a, dim=2) * torch.linalg.vector_norm(b, dim=2)
    return ((a * b).sum(2) / (lengths + torch.finfo(torch.float32).eps)).clamp(-1, 1).mean()
