"""Published collections of fused pictures, opened: sources, pictures of all methods, values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fusionlab.data.dataset import FusionDataset
from fusionlab.data.files import natural
from fusionlab.data.fused import FusedFolder, open_fused, open_named
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions, first_samples
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.settings import Conditions, Data, Task
from fusionlab.settings.groups import BY_CHANNEL
from replication.sheets import Published, read_sheet, read_texts


@dataclass(frozen=True)
class Layout:
    """Where things lie in a collection, below its folder.

    Args:
        title: What it is, and where it is found.
        task: Of its pairs.
        sources: Folder of the sources.
        pictures: Folder of the fused pictures, or of the folders of the methods.
        preset: Metrics of the code of its authors; none if ``metrics`` names them one by one.
        ending: Of the names of the methods' folders; without it one folder holds all pictures.
        published: Folder of text files, or an Excel file, of the values; none if there are none.
        digits: Digits of a value that count.
        metrics: Our forms by their names there.
    """

    title: str
    task: Task
    sources: str
    pictures: str
    preset: str | None = None
    ending: str | None = None
    published: str | None = None
    digits: int = 0
    metrics: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Gallery:
    """A collection, opened.

    Args:
        name: ``VIFB``, ``MFIFB`` or ``Tang``.
        layout: Its layout.
        bench: Its pictures, to be scored.
        published: What is published of them.
    """

    name: str
    layout: Layout
    bench: Bench
    published: Published

    @property
    def dataset(self) -> FusionDataset:
        """The samples that are scored."""
        return self.bench.datasets[0]

    @property
    def columns(self) -> dict[str, str]:
        """Our columns by ``NAME:convention``."""
        metrics = self.bench.scorer.fusion.metrics_by_name()
        return {f"{one.name}:{one.convention_name}": name for name, one in metrics.items()}


@cache
def layouts() -> dict[str, Layout]:
    """The collections that are known."""
    path = Path(__file__).with_name("galleries.yaml")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Layout(**facts) for name, facts in content.items()}


def open_gallery(
    name: str, root: Path, *, limit: int | None, allow_unmatched: bool, workers: int
) -> Gallery:
    """Open a collection.

    Args:
        name: Which.
        root: Its folder, as downloaded.
        limit: Use only the first samples, by name.
        allow_unmatched: Whether missing and stray pictures are left out instead of refused.
        workers: Processes that score.

    Raises:
        InputError: If a folder, a picture or a number is missing or wrong.
    """
    layout = layouts()[name]
    sources = root / layout.sources
    if not sources.is_dir():
        raise InputError(f"no folder {sources}; {name} must be the folder of {layout.title}")
    data = Data(root=str(sources), task=layout.task)
    (whole,) = open_data(data, allow_unmatched)
    whole.name = name
    folders = _open_pictures(root / layout.pictures, layout.ending, whole, allow_unmatched)
    dataset = first_samples(whole, limit)
    names = [form for forms in layout.metrics.values() for form in forms]
    chosen = open_metrics(layout.preset) if layout.preset else open_metrics(names=names)
    scorer = Scorer(chosen, False, layout.preset in BY_CHANNEL)
    bench = Bench([], folders, [dataset], conditions(Conditions(), dataset), scorer)
    bench.pictures, bench.workers = False, workers
    return Gallery(name, layout, bench, _read_published(root, layout, whole, folders))


def _open_pictures(
    place: Path, ending: str | None, dataset: FusionDataset, allow_unmatched: bool
) -> list[FusedFolder]:
    if ending is None:
        return open_named(place, dataset, allow_unmatched)
    found = [one for one in sorted(place.glob(f"*{ending}")) if one.is_dir()]
    if not found:
        raise InputError(f"no folder {place / ('<method>' + ending)} with fused pictures")
    opened = open_fused([str(one) for one in found], dataset, allow_unmatched)
    return [replace(one, name=one.name.removesuffix(ending)) for one in opened]


def _read_published(
    root: Path, layout: Layout, dataset: FusionDataset, folders: Sequence[FusedFolder]
) -> Published:
    if layout.published is None:
        return Published(notes=["no values are published with these pictures"])
    path = root / layout.published
    methods = [one.name for one in folders]
    if not path.exists():
        return Published(notes=[f"nothing is compared: there is no {layout.published}"])
    if path.is_dir():
        return read_texts(path, dataset.ids, methods, layout.metrics)
    return read_sheet(path, sorted(dataset.ids, key=natural), methods, layout.metrics)
