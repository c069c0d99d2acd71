"""The conditions under which methods are compared: subsets, damaged sources, noisy parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fusionlab.data.classes import ClassSet
from fusionlab.data.corruptions import corrupt
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.labels import Labels
from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork
from fusionlab.settings import Conditions, Corruption


class Condition(NamedTuple):
    """A condition on one data set."""

    name: str
    """Its name in the rows; empty where nothing is varied."""
    group: str
    """Its name in tables: the value of an image is the mean over the draws of a group."""
    kind: str
    """What its level is a level of; empty if it has none."""
    level: float
    """0: as it is."""
    draw: int
    """Number of the draw of the parameters' noise, from 0."""
    dataset: FusionDataset

    def network(self, network: FusionNetwork) -> FusionNetwork:
        """The network under this condition, a copy where its parameters are noisy."""
        if self.kind != PARAMETER_NOISE or not self.level:
            return network
        return with_parameter_noise(network, self.level, self.draw)

    def describe(self) -> dict[str, Any]:
        """What a result says of it: plain values."""
        level = self.level if self.kind else None
        return {"name": self.name, "group": self.group, "kind": self.kind, "level": level}


PARAMETER_NOISE = "noise"


class PartialDataset(FusionDataset):
    """Some samples of a data set.

    Args:
        whole: The data set.
        indices: Positions of the samples in it.
    """

    def __init__(self, whole: FusionDataset, indices: Sequence[int]) -> None:
        super().__init__(whole.name, whole.task)
        self.whole, self.indices = whole, list(indices)
        self.ids = [whole.ids[index] for index in self.indices]
        self.source_names = [whole.source_names[index] for index in self.indices]
        self.sizes = [whole.sizes[index] for index in self.indices]
        self.has_reference = whole.has_reference

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """Those of the whole data set."""
        return self.whole.images(self.indices[index])

    def labels(self, index: int) -> Labels:
        """Those of the whole data set."""
        return self.whole.labels(self.indices[index])

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """Those of the whole data set."""
        return self.whole.label_classes

    def describe(self) -> dict[str, Any]:
        """The whole, with the ids of the part."""
        return {**self.whole.describe(), "ids": self.ids}

    @property
    def hashes(self) -> dict[str, str]:
        """Those of its samples."""
        own = set(self.ids)
        return {id_: one for id_, one in self.whole.hashes.items() if id_ in own}


class CorruptedDataset(PartialDataset):
    """A data set one source of which is damaged; metrics see the undamaged sources.

    Args:
        clean: The data set.
        corruption: Which damage, to which source.
        severity: 1 to 5.

    Raises:
        InputError: If a sample has no such source.
    """

    def __init__(self, clean: FusionDataset, corruption: Corruption, severity: int) -> None:
        super().__init__(clean, range(len(clean)))
        self.corruption, self.severity = corruption, severity
        for name, sources in zip(self.ids, self.source_names, strict=True):
            if corruption.source not in (None, *sources):
                raise InputError(
                    f"{name} in {self.name} has no source {corruption.source}, it has "
                    f"{', '.join(sources)}; set conditions.corruption.source"
                )

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The sources, one of them damaged; each sample has its own noise."""
        sources, reference = self.whole.images(index)
        names, damaged = self.source_names[index], self.corruption.source
        place = 0 if damaged is None else names.index(damaged)
        sources[place] = corrupt(sources[place], self.corruption.name, self.severity, seed=index)
        return sources, reference

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample; ``grey``, what metrics see, is undamaged."""
        return {**super().__getitem__(index), "grey": self.whole[index]["grey"]}


@torch.no_grad()
def with_parameter_noise(network: FusionNetwork, level: float, seed: int) -> FusionNetwork:
    """A copy whose parameters have Gaussian noise.

    Convention: θ + level · s · ε with ε from N(0, 1) and s the standard deviation of the parameter
    tensor θ, for every weight and bias; what batch norm has counted stays. The paper names levels
    from 0.1 to 0.5 and no unit. On a TNO pair and IFCNN-MEAN, level 0.1 without s leaves 1.8 of 6.5
    bits of entropy, so that cannot be meant; with s, 0.5 leaves 4.6, as in Table 8 (4.5 of 7.0),
    though more of the contrast is lost than there.

    Args:
        network: Stays as it is.
        level: At least 0; 0 changes nothing.
        seed: Of the noise.
    """
    noisy = deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    for parameter in noisy.parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.add_(level * parameter.std(correction=0) * noise)
    return noisy


def first_samples(dataset: FusionDataset, limit: int | None) -> FusionDataset:
    """The first samples of a data set; all of them without a limit."""
    if limit is None or limit >= len(dataset):
        return dataset
    return PartialDataset(dataset, range(limit))


def conditions(settings: Conditions, dataset: FusionDataset) -> list[Condition]:
    """The conditions on a data set; one without a name if nothing is varied.

    Raises:
        InputError: If a subset is empty or a damaged source is not there.
    """
    if settings.parameter_noise:
        return list(_noisy(settings, dataset))
    if settings.corruption:
        clean = Condition("clean", "clean", "", 0, 0, dataset)
        names = [one.name for one in settings.corruption]
        damaged = (
            found
            for one in settings.corruption
            for found in _damaged(one, dataset, with_source=names.count(one.name) > 1)
        )
        return [clean, *damaged]
    if settings.subsets:
        return [
            Condition(name, name, "", 0, 0, _matching(dataset, name, pattern))
            for name, pattern in settings.subsets.items()
        ]
    return [Condition("", "", "", 0, 0, dataset)]


def _damaged(
    corruption: Corruption, dataset: FusionDataset, with_source: bool
) -> Iterator[Condition]:
    """The conditions of one damage; their names tell the source if others have the same damage."""
    source = f" of {corruption.source or 'the first source'}" if with_source else ""
    for level in sorted(set(corruption.severities)):
        name = f"{corruption.name} {level}{source}"
        damaged = CorruptedDataset(dataset, corruption, level)
        yield Condition(name, name, corruption.name, level, 0, damaged)


def _noisy(settings: Conditions, dataset: FusionDataset) -> Iterator[Condition]:
    for level in sorted(set(settings.parameter_noise)):
        group = f"noise {level:g}"
        for draw in range(settings.noise_draws if level else 1):
            name = f"{group}, draw {draw + 1}" if level else group
            yield Condition(name, group, PARAMETER_NOISE, level, draw, dataset)


def _matching(dataset: FusionDataset, name: str, pattern: str) -> FusionDataset:
    indices = [k for k, id_ in enumerate(dataset.ids) if fnmatchcase(id_, pattern)]
    if not indices:
        raise InputError(
            f"no sample of {dataset.name} is called {pattern}, as conditions.subsets.{name} wants; "
            "set conditions.subsets to patterns of your names"
        )
    return PartialDataset(dataset, indices)
