"""Where values are kept: under the name and content of weights and data."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from fusionlab.data.dataset import FolderDataset, FusionDataset
from fusionlab.laboratory.conditions import PartialDataset
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.report.rows import RowFile

PLACE = ("weights", "data")
KEY = (*PLACE, "id", "setting")
NOISE_KEY = (*PLACE, "level", "id", "setting")
RD_KEY = (*PLACE, "setting", "id", "probe")


class Weights(NamedTuple):
    """A checkpoint of IFCNN, or a network without one."""

    name: str
    address: str | None
    """File, or ``bundled``; None for fresh weights."""
    architecture: str = "ifcnn"

    def network(self, dataset: FusionDataset) -> FusionNetwork:
        """The network; given weights see colours normalised, as the authors' program does."""
        if self.address is None:
            return create_network(self.architecture)
        normalized = self.address != BUNDLED and dataset.colour == "rgb"
        options = {"normalize": "imagenet"} if normalized else {}
        return create_network(self.architecture, self.address, **options)


def first(dataset: FusionDataset, count: int | None) -> FusionDataset:
    """The first samples by name; all for None."""
    if count is None or count >= len(dataset):
        return dataset
    return PartialDataset(dataset, range(count))


def digest(dataset: FusionDataset) -> str:
    """SHA-256 of the sources' files in order; of built-in scenes, of their levels."""
    sha = hashlib.sha256()
    whole = _whole(dataset)
    for id_ in dataset.ids:
        index = whole.ids.index(id_)
        if isinstance(whole, FolderDataset):
            for path in whole.listing.samples[index].sources.values():
                sha.update(path.read_bytes())
        else:
            for image in whole.images(index)[0]:
                sha.update(image.mul(255).round().byte().numpy().tobytes())
    return sha.hexdigest()


def place(weights: Weights, network: FusionNetwork, dataset: FusionDataset) -> tuple[str, str]:
    """Name and content of weights and data: other files never take these values."""
    content = network.checkpoint["sha256"][:8] if network.checkpoint else "untrained"
    whole = _whole(dataset)
    return f"{weights.name} {content}", f"{whole.name} {digest(whole)[:8]}"


def at(rows: RowFile, key: tuple[str, ...]) -> dict[tuple[str, str], list[float]]:
    """The rows whose key begins like this, by the last two parts of it."""
    found = rows.values().items()
    return {(own[-2], own[-1]): values for own, values in found if own[:-2] == key}


def _whole(dataset: FusionDataset) -> FusionDataset:
    while isinstance(dataset, PartialDataset):
        dataset = dataset.whole
    return dataset
