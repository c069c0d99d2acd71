"""FCOS of torchvision on a backbone of timm.

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
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from fusionlab.data.labels import Boxes
from fusionlab.errors import InputError
from fusionlab.tasks.backbone import DEVIATION, MEAN, create_backbone
from fusionlab.tasks.detection import Detections, Detector

FINEST = 8  # pixels for a cell of the finest level that is used


class Pyramid(nn.Module):
    """Maps of a backbone as torchvision's detectors want them.

    Args:
        backbone: With ``feature_info``.
        width: Channels of every level.
    """

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        info: Any = backbone.feature_info
        reductions = info.reduction()
        self.first = next((k for k, one in enumerate(reductions) if one >= FINEST), len(reductions))
        if self.first == len(reductions):
            raise InputError("the backbone has no level of 8 pixels or more; choose another")
        self.backbone, self.out_channels = backbone, width
        self.strides = [*reductions[self.first :], 2 * reductions[-1], 4 * reductions[-1]]
        channels = info.channels()[self.first :]
        more = LastLevelP6P7(channels[-1], width)
        more.use_P5 = False
        self.fpn = FeaturePyramidNetwork(channels, width, extra_blocks=more)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """(B, 3, H, W) to maps by name, finest first."""
        maps = self.backbone(images)[self.first :]
        named = OrderedDict((str(k), one) for k, one in enumerate(maps))
        found: OrderedDict[str, Tensor] = self.fpn(named)
        return found


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
        if width < 64 or width % 32:  # its head has 32 groups
            raise InputError(f"the detector's width is a multiple of 32 from 64 on, got {width}")
        self.options = {"names": list(names), "backbone": backbone, "width": width, "size": size}
        pyramid = Pyramid(create_backbone(backbone, pretrained), width)
        anchors = AnchorGenerator(
            tuple((stride,) for stride in pyramid.strides), ((1.0,),) * len(pyramid.strides)
        )
        self.model = FCOS(
            pyramid,
            len(self.names),
            min_size=size,
            max_size=2 * size,
            image_mean=list(MEAN),
            image_std=list(DEVIATION),
            anchor_generator=anchors,
            score_thresh=0.01,
        )

    def forward(self, pictures: Tensor) -> list[Detections]:
        """What it finds, at most 100 boxes in a picture."""
        found = self.model(list(pictures.float() / 255))
        return [Detections(one["boxes"], one["labels"], one["scores"]) for one in found]

    def losses(self, pictures: Tensor, boxes: Sequence[Boxes]) -> dict[str, Tensor]:
        """The terms of the loss, by name, in training mode; ignored boxes are left out."""
        targets = [
            {"boxes": one.corners[~one.ignored], "labels": one.classes[~one.ignored]}
            for one in boxes
        ]
        found: dict[str, Tensor] = self.model(list(pictures.float() / 255), targets)
        return found

    def describe(self) -> dict[str, Any]:
        """Its name and options."""
        return {"name": "FCOS", **self.options, **self.file}
