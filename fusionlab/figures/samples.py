"""Samples for figures: which ones, and what the network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from fusionlab.data.colour import to_luma
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.data.layouts import Listing, task_of
from fusionlab.data.layouts.listing import Sample
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser, Picture
from fusionlab.runs.rd_colours import RDScale
from fusionlab.settings import TTD, Data
from fusionlab.viewing import stretched

Fuse = Callable[[dict[str, Any]], Picture]
"""Fuses a sample dynamically; or images by the names of their sources."""


@dataclass(frozen=True)
class FusedSample:
    """One sample, fused statically and dynamically.

    Args:
        id: Its name.
        task: Its task.
        sources: As a viewer sees them, (1, H, W) or (3, H, W) in [0, 1].
        compare: What the losses compare with each source, as in the settings of TTD.
        components: What is compared with each source, clamped; luma, or RGB if the network fuses
            that.
        static: Fused by the static rule.
        ttd: Fused dynamically.
        difference: TTD minus static, (H, W): luma, in grey levels of 255, not rounded.
    """

    id: str
    task: str
    sources: list[Tensor]
    compare: str
    components: list[Tensor]
    static: Picture
    ttd: Picture
    difference: Tensor

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the M sources."""
        return self.ttd.source_names

    @property
    def rd(self) -> Tensor:
        """Relative Dominability, (M, H, W)."""
        assert self.ttd.rd is not None
        return self.ttd.rd

    @property
    def decomposition(self) -> dict[str, Tensor]:
        """Common and unique images by their titles, (3, H, W) uint8; empty if there are none."""
        if self.static.common is None or self.static.unique is None:
            return {}
        titles = [f"unique of {name}" for name in self.static.source_names]
        unique = dict(zip(titles, self.static.unique, strict=True))
        return {"common": self.static.common, **unique}

    @property
    def is_uniform(self) -> bool:
        """Whether RD is 1/M everywhere, for all sources."""
        return self.scale().is_uniform(self.rd)

    def scale(self, fixed: bool = False) -> RDScale:
        """The colours of its RD maps, one scale for all sources; from 0 to 1 if it is fixed."""
        return RDScale.of(len(self.rd), self.rd, fixed)

    @property
    def losses(self) -> Tensor:
        """Reconstruction losses, (M, H, W), ≥ 0."""
        assert self.ttd.losses is not None
        return self.ttd.losses


@dataclass(frozen=True)
class Fusion:
    """A network on a data set.

    Args:
        fuser: The network.
        dataset: The data set.
        ttd: Settings of TTD, calibrated on it.
    """

    fuser: Fuser
    dataset: FusionDataset
    ttd: TTD

    @property
    def fuse(self) -> Fuse:
        """How samples are fused dynamically."""
        return partial(self.fuser, ttd=self.ttd)

    def images(self, index: int) -> dict[str, Tensor]:
        """The sources of a sample as they were read, by their names."""
        images, _ = self.dataset.images(index)
        return dict(zip(self.dataset.source_names[index], images, strict=True))

    def sample(self, index: int) -> FusedSample:
        """A sample, fused as an evaluation does."""
        content = self.dataset[index]
        decomposes = self.fuser.network.decomposes
        static, ttd = self.fuser(content, decompose=decomposes), self.fuse(content)
        assert ttd.components is not None
        components = [component.clamp(0, 1) for component in ttd.components]
        if self.fuser.colour == "luma":
            components = [to_luma(component) for component in components]
        return FusedSample(
            self.dataset.ids[index],
            self.dataset.task,
            self.dataset.coloured(index),
            str(self.ttd.compare),
            components,
            static,
            ttd,
            255 * (self._luma(ttd) - self._luma(static)),
        )

    def _luma(self, picture: Picture) -> Tensor:
        """What a viewer sees in a grey picture, (H, W) in [0, 1], not rounded."""
        output = picture.output[None]
        shown = stretched(output) if self.fuser.stretch else output
        return to_luma(shown[0].clamp(0, 1))[0]


def open_samples(settings: Data, files: Sequence[str] = ()) -> list[FusionDataset]:
    """The data of the config, or one sample of single files.

    Raises:
        InputError: If they cannot be used.
    """
    if not files:
        return open_data(settings)
    if settings.root is not None:
        raise InputError(f"files and data.root {settings.root} are two answers; give one")
    paths = [Path(file) for file in files]
    names = _names(paths)
    task = settings.task or task_of(names)
    if task is None:
        raise InputError(
            f"the files are called {', '.join(names)}, which does not tell the task; "
            "set data.task to vif, mif, mef or mff"
        )
    sample = Sample(paths[0].stem, dict(zip(names, paths, strict=True)))
    return [
        FolderDataset(
            Listing(paths[0].parent, "files", [sample]), task, settings.range, settings.page
        )
    ]


def _names(paths: list[Path]) -> list[str]:
    """Names of sources: those of the files, or of their folders if the files' are the same."""
    for names in ([path.stem for path in paths], [path.resolve().parent.name for path in paths]):
        if len(set(names)) == len(paths) > 1:
            return names
    raise InputError(f"{', '.join(map(str, paths))}: give two or more files of different names")


def find_sample(datasets: Sequence[FusionDataset], id_: str | None) -> tuple[FusionDataset, int]:
    """The sample of that name; the first one if none is asked for.

    Raises:
        InputError: If there is none; lists some that there are.
    """
    if id_ is None:
        return datasets[0], 0
    for dataset in datasets:
        if id_ in dataset.ids:
            return dataset, dataset.ids.index(id_)
    known = [name for dataset in datasets for name in dataset.ids]
    more = ", …" if len(known) > 8 else ""
    raise InputError(f"no sample {id_}; there are {', '.join(known[:8])}{more}")


def find_source(dataset: FusionDataset, index: int, name: str | None) -> str:
    """The source of that name, in any case; the first if none is asked for.

    Raises:
        InputError: If the sample lacks it.
    """
    names = dataset.source_names[index]
    if name is None:
        return names[0]
    for other in names:
        if other.casefold() == name.casefold():
            return other
    raise InputError(
        f"{dataset.ids[index]} has no source {name}; set source to one of {', '.join(names)}"
    )
