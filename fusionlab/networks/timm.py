"""Any encoder of timm as a fusion network: a static rule on each level, a light decoder.

Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models
Differs: the encoders are timm's; the rule and the decoder are ours, of no paper. It is trained like
DenseFuse, to reconstruct; with the rule ``max`` also like DeFusion: what two sources have in common
is the smaller of their features, what a source has alone is by how much its own are larger, and the
sum of the three is the larger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
from timm.layers import Format
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.downloads import download, is_address

RULES = ("max", "mean")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # where an encoder states none
ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


class TimmFusion(FusionNetwork):
    """A backbone with ``features_only``, the rule on each of its levels, and a decoder.

    Args:
        encoder: Name of a model of timm, e.g. ``resnet18`` or ``hf_hub:timm/resnet18.a1_in1k``.
        pretrained: What the encoder's weights start from: a file or an address (``https://…``,
            ``hf://owner/name/file``) of weights of that model; ``hub`` for timm's own, which it
            downloads; None for scratch. With a checkpoint it is not read.
        levels: How many levels, from the finest; None for all. Layers that only lead to coarser
            ones, which some of timm's encoders keep, are frozen.
        rule: Of each feature the largest (``max``), or the mean of the sources.
        width: Channels of the decoder.

    Raises:
        InputError: If an option cannot be, or the weights do not fit.
    """

    channels: tuple[int, ...] = (3,)
    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    repeats_luma: ClassVar[bool] = True
    objective: ClassVar[str] = "densefuse"
    starts_from: ClassVar[tuple[str, ...]] = ("pretrained",)
    small: ClassVar[dict[str, Any]] = {"encoder": "test_efficientnet", "levels": 2, "width": 8}
    paper: ClassVar[str] = "timm's encoders, rule and decoder of ours"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "Apache-2.0"
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: str = "resnet18",
        pretrained: str | None = None,
        levels: int | None = None,
        rule: str = "max",
        width: int = 32,
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise InputError(f"timm: rule must be one of {', '.join(RULES)}, got {rule!r}")
        if type(width) is not int or width < 1:
            raise InputError(f"timm: width must be a whole number of 1 or more, got {width!r}")
        self.encoder = open_encoder(encoder, pretrained, levels)
        self.rule, self.max_rule, self.decomposes = rule, rule == "max", rule == "max"
        info = self.encoder.feature_info
        self.sizes: list[int] = info.reduction()
        self.counts: list[int] = info.channels()
        self.size_multiple = max(self.sizes)
        if levels is not None:
            freeze_unused(self.encoder, 4 * self.size_multiple)
        config = getattr(self.encoder, "pretrained_cfg", None) or {}
        for name, usual in (("mean", MEAN), ("std", DEVIATION)):
            values = torch.tensor(config.get(name, usual)).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in self.counts)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.counts)
        self.head = nn.Conv2d(width, 3 * self.sizes[0] ** 2, 3, padding=1)

    def encode(self, sources: Tensor) -> list[Tensor]:
        """(B, M, 3, H, W) in [0, 1] to maps of each level, (B, M, F, h, w), finest first."""
        images = (sources - self.mean) / self.std
        maps = self.encoder(images.flatten(0, 1))
        if getattr(self.encoder, "output_fmt", Format.NCHW) == Format.NHWC:
            maps = [x.permute(0, 3, 1, 2) for x in maps]
        return [x.unflatten(0, sources.shape[:2]) for x in maps]

    def combine(self, features: list[Tensor], gain: Tensor | None = None) -> list[Tensor]:
        """The rule on each level, scaled by the gain: (B, F, h, w) each."""
        levels = [torch.stack(list(scale_features(level, gain)), 1) for level in features]
        return [level.amax(1) if self.max_rule else level.mean(1) for level in levels]

    def decode(self, combined: list[Tensor], sources: Tensor) -> Tensor:
        """Maps of each level to (B, 3, H, W): from the coarsest to the finest, then pixels."""
        x: Tensor | None = None
        layers = zip(combined, self.lateral, self.smooth, strict=True)
        for level, lateral, smooth in reversed(list(layers)):
            own = lateral(level)
            if x is not None:
                size = own.shape[2:]
                own = own + F.interpolate(x, size, mode="bilinear", align_corners=False)
            x = smooth(F.gelu(own)) + own
        assert x is not None
        return F.pixel_shuffle(self.head(F.gelu(x)), self.sizes[0])

    def images(self, features: list[Tensor], sources: Tensor) -> tuple[Tensor, Tensor]:
        """The image of the smallest features, and of what each source's are larger by."""
        common = [level.amin(1) for level in features]
        own = [
            (level - least.unsqueeze(1)).flatten(0, 1)
            for level, least in zip(features, common, strict=True)
        ]
        unique = self.decode(own, sources).unflatten(0, sources.shape[:2])
        return self.decode(common, sources), unique


def freeze_unused(encoder: nn.Module, side: int) -> None:
    """Freeze the parameters that no level depends on, seen on an image of that side (pixels)."""
    was_training = encoder.training
    encoder.eval()
    parameters = list(encoder.parameters())
    with torch.enable_grad():
        total = torch.stack([x.sum() for x in encoder(parameters[0].new_zeros(1, 3, side, side))])
        gradients = torch.autograd.grad(total.sum(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            parameter.requires_grad_(False)
    encoder.train(was_training)


def open_encoder(name: str, pretrained: str | None, levels: int | None) -> Any:
    """A backbone of timm that takes images of any size.

    Args:
        name: Of the model.
        pretrained: See :class:`TimmFusion`.
        levels: How many levels; None for all.

    Raises:
        InputError: If timm has no such model, or it has no such levels, or the weights do not fit.
    """
    if levels is not None and (type(levels) is not int or levels < 1):
        raise InputError(f"timm: levels must be a whole number of 1 or more, got {levels!r}")
    if not isinstance(name, str):
        raise InputError(f"timm: encoder must be the name of a model, got {name!r}")
    options: dict[str, Any] = {"features_only": True}
    if levels is not None:
        options["out_indices"] = tuple(range(levels))
    if pretrained is not None:
        options["pretrained"] = True
        if pretrained != "hub":
            path = download(pretrained) if is_address(pretrained) else Path(pretrained)
            if not path.is_file():
                raise InputError(
                    f"timm: there is no file {pretrained}; set network.options.pretrained to one, "
                    "an address, or hub"
                )
            options["pretrained_cfg_overlay"] = {"file": str(path)}
    for sizes in ANY_SIZE:
        try:
            return timm.create_model(name, **options, **sizes)
        except TypeError as fault:  # few models take that argument
            if not sizes or not any(argument in str(fault) for argument in sizes):
                raise InputError(f"timm: {name} cannot be an encoder: {fault}") from None
        except (RuntimeError, OSError, ValueError, AssertionError, IndexError) as fault:
            reason = " ".join(str(fault).split())[:200] or type(fault).__name__
            raise InputError(
                f"timm: {name} cannot be an encoder with these options ({reason}); choose another "
                "network.options.encoder, levels or pretrained"
            ) from None
    raise AssertionError("the last of ANY_SIZE has no argument to refuse")
