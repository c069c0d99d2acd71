"""Encoders of masked autoencoders (MAE) and of TinyMIM, as teachers and as a start.

He et al.: Masked Autoencoders Are Scalable Vision Learners, CVPR 2022,
https://arxiv.org/abs/2111.06377
Authors' code: https://github.com/facebookresearch/mae
Differs: nothing; the encoder is timm's vision transformer, which computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import read_checkpoint
from fusionlab.networks.downloads import download, is_address

PATCH = 16
HEAD = 64  # values of a head: 12 heads of ViT-B
_OF_THE_DECODER = ("decoder_", "mask_token")  # beginnings of keys


def read_encoder(address: str) -> dict[str, Tensor]:
    """Weights of an encoder as published, without those of a decoder beside it.

    Args:
        address: File, or where to download it (``https://…``, ``hf://owner/name/file``).

    Raises:
        InputError: If it cannot be had or is no checkpoint.
    """
    path = download(address) if is_address(address) else address
    return without_decoder(read_checkpoint(path).state)


def without_decoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's weights of a masked autoencoder."""
    return {key: state[key] for key in state if not key.startswith(_OF_THE_DECODER)}


def mae_encoder(state: Mapping[str, Tensor], where: str) -> VisionTransformer:
    """A frozen encoder in evaluation mode; :meth:`forward_features` gives all tokens, normed.

    Args:
        state: Weights in the layout of MAE; sizes are read from them.
        where: What the weights are called in messages.

    Raises:
        InputError: If they are of something else.
    """
    embedding, table = state.get("patch_embed.proj.weight"), state.get("pos_embed")
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    if embedding is None or table is None or embedding.shape[1:] != (3, PATCH, PATCH) or not depth:
        raise InputError(f"{where} holds no encoder of a masked autoencoder with patches of 16")
    sizes: dict[str, Any] = {"embed_dim": len(embedding), "depth": depth}
    sizes |= {"num_heads": max(1, len(embedding) // HEAD)}
    side = PATCH * round((table.shape[1] - 1) ** 0.5)
    encoder = VisionTransformer(side, PATCH, num_classes=0, global_pool="", **sizes)
    check_state(encoder.state_dict(), state, where)
    encoder.load_state_dict(dict(state))
    return encoder.requires_grad_(False).eval()


def check_state(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not complete and exact.

    Raises:
        InputError: Naming a key.
    """
    for fault, keys in (
        ("lacks", expected.keys() - found),
        ("has an unknown", found.keys() - expected),
    ):
        if keys:
            raise InputError(f"{where} {fault} {sorted(keys)[0]}; give the file as published")
    for key, tensor in expected.items():
        if tensor.shape != found[key].shape:
            shapes = f"{tuple(found[key].shape)}, not {tuple(tensor.shape)}"
            raise InputError(f"{key} of {where} is {shapes}; give the file of another model")
