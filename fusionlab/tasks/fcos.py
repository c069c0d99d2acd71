"""FCOS of torchvision on a backbone of timm, or on the fused features of a fusion network.

Tian et al., FCOS: fully convolutional one-stage object detection, ICCV 2019.
Differs: nothing in the head; the pyramid has the levels of the backbone from 8 pixels on, and two
more, 64 and 128 pixels for the backbones of five levels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from fusionlab.data.labels import Boxes
from fusionlab.errors import InputError
from fusionlab.tasks.backbone import DEVIATION, MEAN, create_backbone
from fusionlab.tasks.detection import Detections, Detector
from fusionlab.tasks.features import SourceHead

FINEST = 8  # pixels for a cell of the finest level that is used


class Levels(nn.Module):
    """Maps of a backbone as levels for torchvision's detectors.

    Args:
        channels: Of the maps, finest first.
        reductions: Pixels of the picture along a side of one of each map.
        width: Channels of every level.
    """

    def __init__(self, channels: Sequence[int], reductions: Sequence[int], width: int) -> None:
        super().__init__()
        self.first = next((k for k, one in enumerate(reductions) if one >= FINEST), len(reductions))
        if self.first == len(reductions):
            raise InputError("the backbone has no level of 8 pixels or more; choose another")
        self.out_channels = width
        self.strides = [*reductions[self.first :], 2 * reductions[-1], 4 * reductions[-1]]
        more = LastLevelP6P7(channels[-1], width)
        more.use_P5 = False
        self.fpn = FeaturePyramidNetwork(list(channels[self.first :]), width, extra_blocks=more)

    def forward(self, maps: Sequence[Tensor]) -> OrderedDict[str, Tensor]:
        """Maps (B, F, h, w) to levels by name, finest first."""
        named = OrderedDict((str(k), one) for k, one in enumerate(maps[self.first :]))
        found: OrderedDict[str, Tensor] = self.fpn(named)
        return found


class Pyramid(Levels):
    """A backbone with its levels.

    Args:
        backbone: With ``feature_info``.
        width: Channels of every level.
    """

    def __init__(self, backbone: nn.Module, width: int) -> None:
        info: Any = backbone.feature_info
        super().__init__(info.channels(), info.reduction(), width)
        self.backbone = backbone

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:  # type: ignore[override]
        """(B, 3, H, W) to levels by name, finest first."""
        return super().forward(self.backbone(images))


def fcos(levels: Levels, classes: int, size: int) -> FCOS:
    """The model on levels.

    Args:
        levels: With ``strides``.
        classes: How many.
        size: Pixels of the shorter side that it sees.

    Raises:
        InputError: If its head cannot have the width of the levels.
    """
    width = levels.out_channels
    if width < 64 or width % 32:  # its head has 32 groups
        raise InputError(f"the detector's width is a multiple of 32 from 64 on, got {width}")
    count = len(levels.strides)
    anchors = AnchorGenerator(tuple((one,) for one in levels.strides), ((1.0,),) * count)
    return FCOS(
        levels,
        classes,
        min_size=size,
        max_size=2 * size,
        image_mean=list(MEAN),
        image_std=list(DEVIATION),
        anchor_generator=anchors,
        score_thresh=0.01,
    )


def detections_of(found: Sequence[dict[str, Tensor]]) -> list[Detections]:
    """What torchvision says was found."""
    return [Detections(one["boxes"], one["labels"], one["scores"]) for one in found]


def targets_of(boxes: Sequence[Boxes]) -> list[dict[str, Tensor]]:
    """Boxes as torchvision wants them; ignored ones are left out."""
    return [
        {"boxes": one.corners[~one.ignored], "labels": one.classes[~one.ignored]} for one in boxes
    ]


class TimmFCOS(Detector):
    """The detector, on pictures of any size.

    Args:
        names: Of the classes.
        backbone: Name of the backbone in timm.
        width: Channels of the pyramid, a multiple of 32 from 64 on.
        size: Pixels of the shorter side that it sees; pictures are resized to it.
        pretrained: Weights of the backbone to start from, see :func:`create_backbone`.
    """

    def __init__(
        self,
        names: Sequence[str],
        backbone: str = "resnet50",
        width: int = 256,
        size: int = 640,
        pretrained: str | None = None,
    ) -> None:
        super().__init__(names)
        self.options = {"names": list(names), "backbone": backbone, "width": width, "size": size}
        self.model = fcos(Pyramid(create_backbone(backbone, pretrained), width), len(names), size)

    def forward(self, pictures: Tensor) -> list[Detections]:
        """What it finds, at most 100 boxes in a picture."""
        return detections_of(self.model(list(pictures.float() / 255)))

    def losses(self, pictures: Tensor, boxes: Sequence[Boxes]) -> dict[str, Tensor]:
        """The terms of the loss, by name, in training mode; ignored boxes are left out."""
        found: dict[str, Tensor] = self.model(list(pictures.float() / 255), targets_of(boxes))
        return found

    def describe(self) -> dict[str, Any]:
        """Its name and options."""
        return {"name": "FCOS", **self.options, **self.file}


class SourceFCOS(SourceHead):
    """The detector's head on the fused features of a fusion network: no picture is fused.

    Args:
        representation: The network as a backbone, ``network.representation``.
        names: Of the classes.
        width: Channels of the levels, a multiple of 32 from 64 on.
        pyramid: Channels of the pyramid that tokens are spread to.
    """

    def __init__(
        self, representation: nn.Module, names: Sequence[str], width: int = 256, pyramid: int = 768
    ) -> None:
        super().__init__(representation, names, width, pyramid)
        levels = Levels(self.channels, self.reductions, width)
        self.model = fcos(levels, len(self.names), size=1)  # sources are not resized

    def losses(
        self, maps: Sequence[Tensor], size: tuple[int, int], boxes: Sequence[Boxes]
    ) -> dict[str, Tensor]:
        """The terms of the loss, by name, of features of padded sources of that size."""
        found, anchors, counts = self._found(maps, size)
        terms: dict[str, Tensor] = self.model.compute_loss(
            targets_of(boxes), found, anchors, counts
        )
        return terms

    def of_maps(self, maps: Sequence[Tensor], size: tuple[int, int]) -> list[Detections]:
        """What is found in the features of padded sources of that size."""
        found, anchors, counts = self._found(maps, size)
        by_level = {name: list(x.split(counts, dim=1)) for name, x in found.items()}
        parts = [list(one.split(counts)) for one in anchors]
        sizes = [size] * len(anchors)
        return detections_of(self.model.postprocess_detections(by_level, parts, sizes))

    def _found(
        self, maps: Sequence[Tensor], size: tuple[int, int]
    ) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """What the head says, the anchors of each sample, and how many each level has."""
        levels = list(self.model.backbone(self.levels(maps)).values())
        padded = [-(-side // self.multiple) * self.multiple for side in size]
        images = ImageList(maps[0].new_empty(len(maps[0]), 1, *padded), [size] * len(maps[0]))
        anchors = self.model.anchor_generator(images, levels)
        return self.model.head(levels), anchors, [x.shape[2] * x.shape[3] for x in levels]
