"""Training detectors and segmenters: objectives of ``fusionlab train``.

    fusionlab train --config detect_llvip --training.root LLVIP --data.root LLVIP
    fusionlab train --config segment_msrs --training.root MSRS/train --data.root MSRS/test

They learn from one source, or from what a fusion network makes of all of them; the fusion network
stays as it is, unless they stand on its features and ``freeze`` is false.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchmetrics import Metric
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.detection import MeanAveragePrecision

from fusionlab.data.classes import IGNORED, ClassSet
from fusionlab.data.colour import to_levels
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.files import key
from fusionlab.data.labels import Labels
from fusionlab.data.layouts.roles import role_of, roles_of
from fusionlab.data.opening import open_data
from fusionlab.data.scenes.endless import head_scene, people_scene
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import Data, Training
from fusionlab.tasks.fcos import SourceFCOS, TimmFCOS
from fusionlab.tasks.features import SourceHead
from fusionlab.tasks.opening import save_model
from fusionlab.tasks.pictures import (
    Draw,
    LabelledPieces,
    boxes_of,
    class_table,
    of_dataset,
    of_scenes,
    renamed,
)
from fusionlab.tasks.upernet import SourceSegmenter, UPerNet

FUSED, REPRESENTATION = "fused", "representation"


class PictureObjective(Objective):
    """What training a detector and a segmenter share: pictures and labels.

    Args:
        classes: Names of the classes that are learnt, in order.
        pictures: Source to learn from, by its name or role (vi, ir, mri …); ``fused`` for what
            the fusion network makes; ``representation`` for its fused features.
        split: Part of ``training.root``, e.g. ``train``.
        labels: Folder of the labels of ``training.root``, or a COCO JSON file, as ``data.labels``.
        data_classes: Classes of the label files, as ``data.classes``.
        freeze: Whether the fusion network stays as it is under a head on its features.
    """

    kind: ClassVar[str]
    """``detector`` or ``segmenter``."""

    architecture: ClassVar[str]
    """Its name among those."""

    labelled: ClassVar[bool] = True
    unused_parameters: ClassVar[bool] = True
    built_in: ClassVar[str] = "vif"

    def __init__(
        self,
        classes: Sequence[str],
        pictures: str,
        split: str | None,
        labels: str | None,
        data_classes: Sequence[str] | None,
        freeze: bool,
    ) -> None:
        super().__init__()
        self.classes, self.pictures = tuple(classes), pictures
        self.split, self.labels, self.freeze = split, labels, freeze
        self.model: TimmFCOS | UPerNet | SourceHead | None = None
        self.data_classes = None if data_classes is None else list(data_classes)
        self.names: tuple[str, ...] = ()
        self.task = self.built_in
        if pictures == REPRESENTATION:
            self.next_command = ""  # a head alone does not judge pictures

    @property
    def reads_network(self) -> bool:
        """Whether the settings of the fusion network matter."""
        return self.pictures in (FUSED, REPRESENTATION)

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The model; under a head on its features the fusion network too, unless frozen."""
        if self.model is None:
            representation = network.representation
            assert isinstance(representation, nn.Module)
            self.model = self._head(representation)
        groups = [ParameterGroup(self.kind, list(self.model.parameters()))]
        if self.pictures == REPRESENTATION and not self.freeze:
            groups.append(ParameterGroup("network", list(network.parameters())))
        return groups

    def check_network(self, network: FusionNetwork) -> None:
        """A head on fused features needs a network that gives them."""
        super().check_network(network)
        if self.pictures == REPRESENTATION and not hasattr(network, "representation"):
            raise InputError(
                f"training.options.pictures is {REPRESENTATION}, which {network.name} has not; "
                "set network.name to defusion or defusionpp"
            )

    def save(self, folder: Path) -> Path | None:
        """Write ``detector.safetensors`` or ``segmenter.safetensors``; a head as ``head``."""
        assert self.model is not None
        of_features = isinstance(self.model, SourceHead)
        kind, name = ("head", REPRESENTATION) if of_features else (self.kind, self.architecture)
        path = folder / f"{kind}.safetensors"
        save_model(self.model, kind, name, self.model.options, path)
        return path

    def maps(
        self, network: FusionNetwork, batch: dict[str, Any]
    ) -> tuple[list[Tensor], tuple[int, int]]:
        """Fused features of a batch, and the height and width of its sources."""
        assert isinstance(self.model, SourceHead)
        fixed = network.eval() if self.freeze else network
        named = {**batch, "source_names": self._names(batch)}
        sources = Fuser(fixed, self.task).ordered_input(named)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze):
            found: list[Tensor] = network.representation(self.model.padded(sources))  # type: ignore[operator]
        return found, (sources.shape[3], sources.shape[4])

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Pieces of the labelled samples of a folder, or of scenes made for it."""
        for name in ("stride", "contrast"):
            if getattr(settings, name):
                raise InputError(
                    f"training.objective {self.name} does not read training.{name}; leave it out"
                )
        if settings.batches_per_epoch is None and settings.root is None:
            raise InputError("set training.batches_per_epoch: built-in scenes have no end")
        if settings.root is None:
            return self._scenes(settings.crop_size, seed), None
        given = Data(
            root=settings.root,
            split=self.split,
            labels=self.labels,
            classes=self.data_classes,
        )
        (dataset,) = open_data(given)
        self.names, self.task = dataset.source_names[0], dataset.task
        self._check_source(dataset)
        draw = self._draw(dataset, settings.limit)
        return LabelledPieces(dataset.name, draw, settings.crop_size, seed), None

    def seen(self, network: FusionNetwork, batch: dict[str, Any]) -> Tensor:
        """The pictures to learn from, (B, 3, S, S) uint8."""
        names = self._names(batch)
        if self.pictures == FUSED:
            fuser = Fuser(network.eval(), self.task)
            own = {**batch, "source_names": names}
            own.setdefault("id", [str(k) for k in batch["index"].tolist()])
            (found,) = fuser.fuse_batch(own, [None])
            return torch.stack([picture.fused for picture in found])
        place = self._place(names[0])
        return to_levels(batch["sources"][:, place].expand(-1, 3, -1, -1))

    def _names(self, batch: dict[str, Any]) -> Sequence[Sequence[str]]:
        """Of the sources of each sample; pieces all have the same."""
        return batch.get("source_names") or [self.names] * len(batch["index"])

    def _place(self, names: Sequence[str]) -> int:
        """The place of the wanted source: by its own name, else by its role."""
        own, roles = list(map(key, names)), roles_of(names, self.task)
        wanted = key(self.pictures)
        if wanted in own:
            return own.index(wanted)
        role = role_of(wanted)
        if not role or roles.count(role) != 1:
            raise InputError(
                f"training.options.pictures is {self.pictures}, the sources are "
                f"{', '.join(names)}; name one of them, or {FUSED}"
            )
        return roles.index(role)

    def _check_source(self, dataset: FusionDataset) -> None:
        if not self.reads_network:
            self._place(dataset.source_names[0])

    def _scenes(self, side: int, seed: int) -> LabelledPieces:
        raise NotImplementedError

    def _draw(self, dataset: FusionDataset, limit: int | None) -> Draw:
        raise NotImplementedError

    def _head(self, representation: nn.Module) -> SourceHead:
        raise NotImplementedError


class DetectObjective(PictureObjective):
    """The loss of FCOS; validated by COCO's average precision.

    Args:
        classes: Names of the classes that are learnt, in order.
        pictures: Source to learn from, by its name or role (vi, ir, mri …); ``fused`` for what
            the fusion network makes; ``representation`` for its fused features, without a picture.
        backbone: Name of the backbone in timm; not for ``representation``.
        pretrained: Weights of the backbone to start from: a path, an address, or ``hub``.
        width: Channels of the pyramid.
        size: Pixels of the shorter side of the pictures that the detector sees; not for
            ``representation``, which sees sources as they are.
        pyramid: Channels of the levels that tokens are spread to, for ``representation``.
        freeze: Whether the fusion network stays as it is under the head.
        split: Part of ``training.root``, e.g. ``train``.
        labels: Folder of the labels, or a COCO JSON file, as ``data.labels``.
        data_classes: Classes of the label files, as ``data.classes``.
    """

    kind: ClassVar[str] = "detector"
    architecture: ClassVar[str] = "fcos"
    validates: ClassVar[tuple[str, ...]] = ("mAP50", "mAP50-95")
    next_command: str = "fusionlab evaluate --ttd --tasks.detect {path} --data.root DIR"

    def __init__(
        self,
        classes: Sequence[str] = ("person",),
        pictures: str = "vi",
        backbone: str = "resnet50",
        pretrained: str | None = None,
        width: int = 256,
        size: int = 640,
        pyramid: int = 768,
        freeze: bool = True,
        split: str | None = None,
        labels: str | None = None,
        data_classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(classes, pictures, split, labels, data_classes, freeze)
        self.width, self.pyramid = width, pyramid
        self.model: TimmFCOS | SourceFCOS | None = None
        if pictures != REPRESENTATION:
            self.model = TimmFCOS(self.classes, backbone, width, size, pretrained)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Classification, regression and centre-ness of a batch of :class:`LabelledPieces`."""
        if isinstance(self.model, SourceFCOS):
            return self.model.losses(*self.maps(network, batch), boxes_of(batch))
        assert self.model is not None
        return self.model.losses(self.seen(network, batch), boxes_of(batch))

    def metric(self) -> Metric:
        """COCO's average precision over all pictures."""
        return MeanAveragePrecision()

    def observe(self, network: FusionNetwork, batch: dict[str, Any], metric: Metric) -> None:
        """What is found in a batch of samples with labels."""
        assert self.model is not None
        found = (
            self.model.of_maps(*self.maps(network, batch))
            if isinstance(self.model, SourceFCOS)
            else self.model(self.seen(network, batch))
        )
        for one, labels, names in zip(found, batch["labels"], batch["classes"], strict=True):
            boxes = self._learnt(labels, names[0]).boxes
            if boxes is not None:
                device = one.corners.device
                truth = {
                    "boxes": boxes.corners.to(device),
                    "labels": boxes.classes.to(device),
                    "iscrowd": boxes.ignored.int().to(device),
                }
                guess = {"boxes": one.corners, "labels": one.classes, "scores": one.scores}
                metric.update([guess], [truth])

    def values(self, metric: Metric) -> dict[str, float]:
        """mAP50 and mAP50-95; 0 where nothing is labelled."""
        found = metric.compute()
        return {"mAP50": float(found["map_50"]), "mAP50-95": float(found["map"])}

    def _head(self, representation: nn.Module) -> SourceHead:
        return SourceFCOS(representation, self.classes, self.width, self.pyramid)

    def _learnt(self, labels: Labels, names: Sequence[str]) -> Labels:
        table = class_table(names, self.classes, -1)
        return renamed(Labels(labels.boxes), table, torch.zeros(0))

    def _scenes(self, side: int, seed: int) -> LabelledPieces:
        self.names = ("vi", "ir")
        draw = of_scenes(
            partial(people_scene, side=side, seed=seed),
            ClassSet(self.classes),
            ClassSet(("background", *self.classes)),
        )
        return LabelledPieces("people in the dark", draw, side, seed, is_cut=False)

    def _draw(self, dataset: FusionDataset, limit: int | None) -> Draw:
        chosen = [k for k in range(len(dataset)) if dataset.labels(k).boxes is not None][:limit]
        table = class_table(dataset.label_classes[0].names, self.classes, -1)
        if not chosen or (table < 0).all():
            raise InputError(
                f"{dataset.name} has no boxes of {', '.join(self.classes)}; set "
                "training.options.classes, labels or data_classes"
            )
        return of_dataset(dataset, chosen, (table, torch.arange(IGNORED + 1)))


class SegmentObjective(PictureObjective):
    """Cross-entropy of every labelled pixel; validated by the mean IoU over the classes.

    Args:
        classes: Names of the classes, in order.
        pictures: Source to learn from, by its name or role (vi, ir, mri …); ``fused`` for what
            the fusion network makes; ``representation`` for its fused features, without a picture.
        backbone: Name of the backbone in timm; not for ``representation``.
        pretrained: Weights of the backbone to start from: a path, an address, or ``hub``.
        width: Channels in the head.
        pyramid: Channels of the levels that tokens are spread to, for ``representation``.
        freeze: Whether the fusion network stays as it is under the head.
        split: Part of ``training.root``, e.g. ``train``.
        labels: Folder of the labels, as ``data.labels``.
        data_classes: Classes of the label files, as ``data.classes``.
    """

    kind: ClassVar[str] = "segmenter"
    architecture: ClassVar[str] = "upernet"
    validates: ClassVar[tuple[str, ...]] = ("mIoU",)
    next_command: str = "fusionlab evaluate --ttd --tasks.segment {path} --data.root DIR"
    built_in: ClassVar[str] = "mif"

    def __init__(
        self,
        classes: Sequence[str] = ("background", "lesion"),
        pictures: str = "mri",
        backbone: str = "convnext_tiny",
        pretrained: str | None = None,
        width: int = 128,
        pyramid: int = 768,
        freeze: bool = True,
        split: str | None = None,
        labels: str | None = None,
        data_classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(classes, pictures, split, labels, data_classes, freeze)
        self.width, self.pyramid = width, pyramid
        self.model: UPerNet | SourceSegmenter | None = None
        if pictures != REPRESENTATION:
            self.model = UPerNet(self.classes, backbone, width, pretrained)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """The term of a batch of :class:`LabelledPieces`."""
        scores = self._scores(network, batch)
        counted = batch["mask"] != IGNORED
        total = F.cross_entropy(scores, batch["mask"], ignore_index=IGNORED, reduction="sum")
        return {"cross_entropy": total / counted.sum().clamp(min=1)}

    def metric(self) -> Metric:
        """The mean over the classes of the IoU over all pixels."""
        return MulticlassJaccardIndex(len(self.classes), ignore_index=IGNORED)

    def observe(self, network: FusionNetwork, batch: dict[str, Any], metric: Metric) -> None:
        """What is found in a batch of samples with labels."""
        found = self._scores(network, batch).argmax(1)
        for one, labels, names in zip(found, batch["labels"], batch["classes"], strict=True):
            if labels.mask is not None:
                table = class_table(names[1], self.classes, IGNORED)
                metric.update(one[None], table[labels.mask][None].to(one.device))

    def values(self, metric: Metric) -> dict[str, float]:
        """MIoU."""
        return {"mIoU": float(metric.compute())}

    def _scores(self, network: FusionNetwork, batch: dict[str, Any]) -> Tensor:
        if isinstance(self.model, SourceSegmenter):
            return self.model.of_maps(*self.maps(network, batch))
        assert self.model is not None
        found: Tensor = self.model(self.seen(network, batch))
        return found

    def _head(self, representation: nn.Module) -> SourceHead:
        return SourceSegmenter(representation, self.classes, self.width, self.pyramid)

    def _scenes(self, side: int, seed: int) -> LabelledPieces:
        self.names = ("mri", "ct")
        objects = ClassSet(self.classes[1:])
        draw = of_scenes(partial(head_scene, side=side, seed=seed), objects, ClassSet(self.classes))
        return LabelledPieces("heads with lesions", draw, side, seed, is_cut=False)

    def _draw(self, dataset: FusionDataset, limit: int | None) -> Draw:
        chosen = [k for k in range(len(dataset)) if _has_mask(dataset, k)][:limit]
        table = class_table(dataset.label_classes[1].names, self.classes, IGNORED)
        if not chosen or (table == IGNORED).all():
            raise InputError(
                f"{dataset.name} has no masks of {', '.join(self.classes)}; set "
                "training.options.classes, labels or data_classes"
            )
        return of_dataset(dataset, chosen, (torch.arange(IGNORED + 1), table))


def _has_mask(dataset: FusionDataset, index: int) -> bool:
    return dataset.labels(index).mask is not None
