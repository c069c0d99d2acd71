"""What is measured for each claim of the paper: settings of TTD under conditions of the bench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import PartialDataset, conditions, first_samples
from fusionlab.evaluation.methods import NetworkMethods
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.settings import TTD, Conditions, Corruption
from replication.published import load_published

SETTINGS = {
    "paper": TTD("paper"),
    "authors": TTD("authors"),
    "structure": TTD("structure"),
    "paper, positive": TTD("paper", correlation="positive"),
    "authors, positive": TTD("authors", correlation="positive"),
    "linear": TTD("paper", form="linear"),
    "sigmoid": TTD("paper", form="sigmoid"),
    "no normalisation": TTD("paper", normalization="none"),
    "proportional": TTD("paper", normalization="proportional"),
}
"""By the names of the rows of the page and of published.yaml."""
PRESETS = ("paper", "authors", "structure")
SIGNS = {"paper": "paper, positive", "authors": "authors, positive"}
"""Settings whose RD falls with the loss, and the same whose RD rises with it."""

TABLES, NOISE, TIMES = "tables", "noise", "times"
PROBES, TIME_OF_DAY = "masking and contrast", "time of day"
DRAWS = 2  # of the noise at each level
REPEATS = 5  # of a time
TIMED_IMAGES = 2  # untrained networks are slow
PROBED_SIZE = 192  # pixels a side; of larger images the middle is masked and faded
MASK = 4  # severity
FADING = (1, 3, 5)  # severities of lost contrast
DAY, NIGHT = "*[0-9]D", "*[0-9]N"  # names in MSRS: 00537D, 00004N
FEWEST = 2  # images by day and by night, for an interval


@dataclass(frozen=True)
class Weights:
    """A checkpoint of IFCNN, or a network without one."""

    name: str
    """What it is called on the page."""
    address: str | None
    """File, or ``bundled``; None for untrained weights."""
    network: str = "ifcnn"

    def open(self, task: str) -> FusionNetwork:
        """The network; its authors' weights see colours normalised, as in their program."""
        if self.address is None:
            torch.manual_seed(0)
            return create_network(self.network).eval()
        normalized = self.address != BUNDLED and task in IFCNN.rgb_tasks
        options = {"normalize": "imagenet"} if normalized else {}
        return create_network(self.network, self.address, **options)


UNTRAINED = (
    Weights("untrained CDDFuse", None, "cddfuse"),
    Weights("untrained PIAFusion", None, "piafusion"),
)


class MiddleDataset(PartialDataset):
    """The middle of every image of a data set, so many pixels a side at most."""

    def __init__(self, whole: FusionDataset, largest: int) -> None:
        super().__init__(whole, range(len(whole)))
        self.largest = largest
        self.sizes = [(min(h, largest), min(w, largest)) for h, w in self.sizes]

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The middle of the images of a sample."""
        sources, reference = self.whole.images(index)
        middle = [self._middle(image) for image in sources]
        return middle, None if reference is None else self._middle(reference)

    def _middle(self, image: Tensor) -> Tensor:
        top, left = (max(0, side - self.largest) // 2 for side in image.shape[-2:])
        return image[..., top : top + self.largest, left : left + self.largest]


@dataclass(frozen=True)
class Experiment:
    """Settings of TTD on a data set, with one checkpoint, under some conditions."""

    claim: str
    """Which claim it is for, one of the constants above."""
    weights: Weights
    dataset: FusionDataset
    settings: Sequence[str] = PRESETS
    """Labels in ``SETTINGS``."""
    conditions: Conditions = field(default_factory=Conditions)

    def bench(self) -> Bench:
        """Everything of it, opened.

        Raises:
            InputError: If the checkpoint does not load.
        """
        name, dataset = self.weights.name, self.dataset
        settings = {with_ttd(name, label): SETTINGS[label] for label in self.settings}
        return Bench(
            [NetworkMethods(name, self.weights.open(dataset.task), settings)],
            [],
            [dataset],
            conditions(self.conditions, dataset),
            Scorer(open_metrics("ttd"), dataset.has_reference),
            repeats=self.conditions.repeats,
            pictures=False,
        )


def with_ttd(weights: str, label: str) -> str:
    """The name of a method: weights with a setting of TTD."""
    return f"{weights}+TTD ({label})"


def experiments(weights: Sequence[Weights], datasets: Sequence[FusionDataset]) -> list[Experiment]:
    """Everything that can be measured with these weights on these data."""
    found = [one for own in weights for data in datasets for one in _of_data(own, data)]
    luma = [one for one in datasets if one.task not in IFCNN.rgb_tasks]
    for own in (*weights, *UNTRAINED) if luma else ():
        timed = first_samples(luma[0], TIMED_IMAGES)
        found.append(Experiment(TIMES, own, timed, ("paper",), Conditions(repeats=REPEATS)))
    return found


def _of_data(weights: Weights, dataset: FusionDataset) -> Iterator[Experiment]:
    published = load_published()
    tables = [one for one in published.tables.values() if published.is_beside(dataset.name, one)]
    rows = [row for table in tables for row in table.rows]
    settings = list(dict.fromkeys([*PRESETS, *SIGNS, *SIGNS.values(), *rows]))
    yield Experiment(TABLES, weights, dataset, settings)
    if published.is_beside(dataset.name, published.noise[0.0]):
        noise = Conditions(parameter_noise=list(published.noise), noise_draws=DRAWS)
        yield Experiment(NOISE, weights, dataset, ("paper",), noise)
    if dataset.task != "vif":
        return
    names = dataset.source_names[0]
    masks = [Corruption("mask", name, [MASK]) for name in names]
    probes = Conditions(corruption=[*masks, Corruption("contrast", names[0], list(FADING))])
    yield Experiment(PROBES, weights, MiddleDataset(dataset, PROBED_SIZE), conditions=probes)
    times = {"day": DAY, "night": NIGHT}
    counts = [sum(fnmatchcase(id_, one) for id_ in dataset.ids) for one in times.values()]
    if min(counts) >= FEWEST:
        yield Experiment(TIME_OF_DAY, weights, dataset, conditions=Conditions(subsets=times))
