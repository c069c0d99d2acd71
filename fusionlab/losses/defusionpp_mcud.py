"""The objective of DeFusion++ with modality teachers: tokens predict what an expert of each sees.

Liang, Jiang, Ma, Liu and Ma: Fusion from Decomposition: A Self-Supervised Approach for Image Fusion
and Beyond, 2024, https://arxiv.org/abs/2410.12274
Authors' code: https://github.com/erfect2020/DeFusion-plusplus (this loss in its history)
Differs: every step learns from masked photographs and from pairs; how the authors alternate the two
is not published, neither is their infrared teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.console import note
from fusionlab.data.folder import FolderDataset
from fusionlab.data.opening import open_data
from fusionlab.data.patches import PairPatches
from fusionlab.data.pretext import JITTER, VEILS, WithPairs
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.losses.defusionpp import DeFusionPPObjective, drawn_from
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.defusionpp import DeFusionPP, normalised
from fusionlab.networks.downloads import download, is_address
from fusionlab.networks.mae import (
    PATCH,
    check_state,
    mae_encoder,
    read_encoder,
    without_decoder,
)
from fusionlab.settings import Data, Training

MODALITIES = ("infrared", "visible")
PUBLISHED = "https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth"
REMEDY = (
    "set training.options.infrared and training.options.visible to encoders of masked "
    f"autoencoders, e.g. {PUBLISHED}, or training.options.trained to the authors' checkpoint"
)


class Predicted(NamedTuple):
    """What the network says of pairs, and what the teachers say."""

    teachers: tuple[Tensor, Tensor]
    """Tokens of each teacher, (B, L, 768)."""
    tokens: tuple[Tensor, Tensor]
    """Z₁ and Z₂, what the network predicts of them, (B, L, 768)."""
    common: tuple[Tensor, Tensor]
    """C₁ and C₂, the common tokens in both orders, normed, (B, L, dim)."""


class Prediction(nn.Module):
    """Tokens of the network to tokens of the teachers.

    Args:
        dim: Values of the network's tokens.
        taught: Values of the teachers'.
    """

    def __init__(self, dim: int, taught: int) -> None:
        super().__init__()
        self.latent_predict1, self.latent_predict2 = (nn.Linear(dim, taught) for _ in range(2))
        self.mm_unique_norm1, self.mm_unique_norm2 = (nn.LayerNorm(dim) for _ in range(2))
        self.mm_common_norm = nn.LayerNorm(dim, elementwise_affine=False)

    def forward(self, network: DeFusionPP, pairs: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Z and C of pairs, (B, 2, 3, S, S) in [0, 1], the infrared image first."""
        encoded = network.encode_sources(pairs)
        parts = network.separate(*encoded, "12")
        other = network.common_tokens(*encoded, "21")
        first = self.mm_common_norm(parts.common + parts.common_skip)
        second = self.mm_common_norm(torch.add(*other))
        unique = (parts.unique + parts.unique_skip).unbind(1)
        z1 = self.latent_predict1(self.mm_unique_norm1(unique[0]) + first)
        z2 = self.latent_predict2(self.mm_unique_norm2(unique[1]) + second)
        return (z1, z2), (first, second)


class DeFusionPPMCUDObjective(Objective):
    """The objective ``defusionpp``, and tokens that predict those of two frozen teachers.

    Args:
        infrared: File (or address) of the teacher of infrared images, an encoder of a masked
            autoencoder in MAE's layout.
        visible: The same of visible images.
        trained: File (or address) of the authors' checkpoint of 898 tensors, whose teachers and
            predictions are taken in place of those two.
        pairs: Folder of infrared-visible pairs, laid out as data.root; None for the scenes that the
            package builds.
        encoder: As for ``defusionpp``.
        jitter: As for ``defusionpp``.
        veils: As for ``defusionpp``.
        longest: As for ``defusionpp``.
    """

    trains: ClassVar[type[FusionNetwork]] = DeFusionPP
    smallest_crop: ClassVar[int] = 32
    whole_crops: ClassVar[bool] = True
    unused_parameters: ClassVar[bool] = True

    def __init__(
        self,
        infrared: str | None = None,
        visible: str | None = None,
        trained: str | None = None,
        pairs: str | None = None,
        encoder: str | None = None,
        jitter: float = JITTER,
        veils: Sequence[str] = VEILS[:1],
        longest: int | None = None,
    ) -> None:
        super().__init__()
        self.decomposition = DeFusionPPObjective(encoder, jitter, veils, longest)
        self.pairs = pairs
        states, self.start = read_teachers(infrared, visible, trained)
        # no submodules: neither saved with what learns, nor ever in training mode
        self.teachers = tuple(mae_encoder(state, where) for where, state in states)
        sizes = [teacher.embed_dim for teacher in self.teachers]
        if sizes[0] != sizes[1]:
            raise InputError(f"the teachers differ in size, {sizes[0]} and {sizes[1]}; {REMEDY}")
        self.prediction: Prediction | None = None

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``pair`` (B, 2, 3, S, S), the infrared image first, besides."""
        assert isinstance(network, DeFusionPP)
        terms = self.decomposition(network, batch, step)
        with drawn_from(int(batch["seed"][-1]), batch["pair"].device):
            return {**terms, **modality_terms(self.predicted(network, batch["pair"]))}

    def predicted(self, network: DeFusionPP, pairs: Tensor) -> Predicted:
        """What the network predicts of pairs, (B, 2, 3, S, S), and what the teachers see."""
        assert self.prediction is not None
        tokens, common = self.prediction(network, pairs)
        with torch.no_grad():
            images = normalised(pairs).unbind(1)
            first, second = (
                teacher.to(x.device).forward_features(x)
                for teacher, x in zip(self.teachers, images, strict=True)
            )
        return Predicted((first, second), tokens, common)

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Masked photographs, a patch of a pair with each; validation as usual."""
        side = settings.crop_size
        wanted = PATCH * round(self.teachers[0].patch_embed.num_patches ** 0.5)
        if side != wanted:
            raise InputError(
                f"the teachers see {wanted} pixels a side; set training.crop_size to it"
            )
        photographs = self.decomposition.masking.open(self.name, settings, seed)
        (dataset,) = open_data(Data(root=self.pairs, task="vif"))
        if isinstance(dataset, FolderDataset):
            dataset.check_files()
        for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
            if len(sources) != 2:
                raise InputError(
                    f"{name} in {dataset.name} has {len(sources)} sources, pairs have two; set "
                    "training.options.pairs to others"
                )
        pairs = PairPatches(dataset, side, side, order=DeFusionPP.source_order["vif"])
        note(f"and from {len(pairs)} patches of pairs of {dataset.name}")
        return WithPairs(photographs, pairs), None

    def check_network(self, network: FusionNetwork) -> None:
        """Refuse what ``defusionpp`` does, and a size that the authors' predictions do not have."""
        super().check_network(network)
        self.decomposition.check_network(network)
        if self.start is not None and self.prediction is None:
            check_state(self._fresh(network).state_dict(), self.start[1], self.start[0])

    def prepare(self, network: FusionNetwork) -> None:
        """Make the predictions, or take the authors'."""
        self.decomposition.prepare(network)
        if self.prediction is None:
            self.prediction = self._fresh(network)
            if self.start is not None:
                self.prediction.load_state_dict(self.start[1])

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The network and the predictions."""
        assert self.prediction is not None
        own = ParameterGroup("prediction", list(self.prediction.parameters()))
        return [*super().parameter_groups(network), own]

    def _fresh(self, network: FusionNetwork) -> Prediction:
        assert isinstance(network, DeFusionPP)
        return Prediction(network.mask_token.shape[2], self.teachers[0].embed_dim)


def modality_terms(predicted: Predicted) -> dict[str, Tensor]:
    """The three terms, each the mean over batch, tokens and values."""
    first, second = map(F.l1_loss, predicted.tokens, predicted.teachers)
    return {
        "infrared": first,
        "visible": second,
        "common_orders": F.l1_loss(*predicted.common),
    }


def read_teachers(
    infrared: str | None, visible: str | None, trained: str | None
) -> tuple[list[tuple[str, dict[str, Tensor]]], tuple[str, dict[str, Tensor]] | None]:
    """Two teachers, and perhaps the authors' predictions, each with what it is called.

    Raises:
        InputError: If there are not two, or a file cannot be used.
    """
    if trained is None:
        if infrared is None or visible is None:
            raise InputError(f"defusionpp_mcud learns with two teachers: {REMEDY}")
        return [(address, read_encoder(address)) for address in (infrared, visible)], None
    if infrared is not None or visible is not None:
        raise InputError("training.options.trained brings teachers; leave infrared and visible out")
    path = download(trained) if is_address(trained) else trained
    state = read_checkpoint(path).state
    own = {key: state[key] for key in state if key.startswith(("latent_predict", "mm_unique_norm"))}
    own = {key: own[key] for key in own if key.split(".")[0][-1] in "12"}  # no CT and MR
    teachers = []
    for m, modality in enumerate(MODALITIES, 1):
        beginning = f"model_encoder{m}."
        of_one = {k.removeprefix(beginning): state[k] for k in state if k.startswith(beginning)}
        teachers.append((f"the {modality} teacher in {trained}", without_decoder(of_one)))
    return teachers, (trained, own)
