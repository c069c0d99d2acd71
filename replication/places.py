"""Where values are kept: under the name and content of weights, data and settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from fusionlab.data.dataset import FolderDataset, FusionDataset
from fusionlab.laboratory.conditions import PartialDataset
from fusionlab.laboratory.sweep import STATIC
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.report.rows import RowFile
from fusionlab.settings import TTD
from fusionlab.ttd.similarity import SIGMA, WINDOW
from fusionlab.ttd.temperature import FACTOR

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


def setting_place(label: str, ttd: TTD) -> str:
    """Label and content of a setting: another definition never takes these values.

    The content is the first 8 hexadecimal digits of a SHA-256 of its choices and the constants that
    TTD computes with.

    Args:
        label: Its name on the page.
        ttd: Its definition; a normalization ``auto`` resolved, to be the same as in its own name.
    """
    computed = {"factor": FACTOR, "window": WINDOW, "sigma": SIGMA}
    content = json.dumps([ttd.choices(), computed], sort_keys=True)
    return f"{label} {hashlib.sha256(content.encode()).hexdigest()[:8]}"


def setting_places(settings: Mapping[str, TTD]) -> dict[str, str]:
    """:func:`setting_place` by label; the static network has no settings and is kept as it is."""
    own = {label: setting_place(label, ttd) for label, ttd in settings.items()}
    return {STATIC: STATIC, **own}


def at_settings(
    rows: RowFile, key: tuple[str, ...], ids: Collection[str], settings: Mapping[str, TTD]
) -> dict[tuple[str, str], list[float]]:
    """The rows whose key begins like this, of these images and settings, by id and label.

    Args:
        rows: Their key ends with id and setting.
        key: What comes before.
        ids: Of the images.
        settings: TTD settings by label; the static network's rows belong to them.
    """
    labels = {kept: label for label, kept in setting_places(settings).items()}
    return {
        (id_, labels[kept]): values
        for (id_, kept), values in at(rows, key).items()
        if id_ in ids and kept in labels
    }


def at(rows: RowFile, key: tuple[str, ...]) -> dict[tuple[str, str], list[float]]:
    """The rows whose key begins like this, by the last two parts of it."""
    found = rows.values().items()
    return {(own[-2], own[-1]): values for own, values in found if own[:-2] == key}


def _whole(dataset: FusionDataset) -> FusionDataset:
    while isinstance(dataset, PartialDataset):
        dataset = dataset.whole
    return dataset
