"""The programs behind ``fusionlab figures``: compute, draw, tabulate, write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace
from matplotlib.figure import Figure
from torch import Tensor

from fusionlab.console import ProgressBar, note
from fusionlab.data.built_in import SceneDataset
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.figures.curves import severity, timeline
from fusionlab.figures.drawing import save, write
from fusionlab.figures.panels import common_scales, masking, panel, side_by_side, strip
from fusionlab.figures.probes import (
    Box,
    Curve,
    Masked,
    corrupted_rd,
    masked_rd,
    rd_over_time,
    rd_under,
)
from fusionlab.figures.samples import FusedSample, Fusion, find_sample, find_source, open_samples
from fusionlab.fusing import Fuser, best_device, check_samples
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.runs.folder import file_stem
from fusionlab.runs.provenance import provenance
from fusionlab.runs.rd_colours import RDScale
from fusionlab.settings import TTD

SIDE_BY_SIDE = 4  # samples of a folder that fit beside each other
ONE_BY_ONE = ("panel", "strip", "masking", "contrast")  # a figure for each sample of ids
GROUPS = ("plugin", "quiet", "network", "data", "ttd", "output")

Table = list[Sequence[object]]  # of a CSV file, its heading first
Facts = dict[str, Any]  # plain values for the JSON file
Drawn = tuple[Figure, Table, Facts]


@dataclass
class Stage:
    """A network, its settings of TTD, and the data sets that it may be put on.

    Args:
        network: The network.
        ttd: Settings of TTD.
        datasets: The data sets.
        settings: The options of the figure.
        used: The network on the data sets that were asked for, in that order.
    """

    network: FusionNetwork
    ttd: TTD
    datasets: list[FusionDataset]
    settings: Namespace
    used: list[Fusion] = field(default_factory=list)

    def on(self, dataset: FusionDataset) -> Fusion:
        """The network on a data set, TTD calibrated on it once."""
        for fusion in self.used:
            if fusion.dataset is dataset:
                return fusion
        colour, stretch = self.settings.data.colour, self.settings.network.stretch
        fuser = Fuser(self.network, dataset.task, colour, stretch, tile=0)  # shows components
        self.used.append(Fusion(fuser, dataset, fuser.calibrate(dataset, self.ttd)))
        return self.used[-1]

    def describe(self) -> dict[str, Any]:
        """What made the figure: plain values."""
        ttd = self.ttd.resolved(self.network.max_rule)
        calibrated = [
            {
                "data": one.dataset.name,
                "temperature": one.ttd.temperature,
                "channel": one.ttd.channel,
            }
            for one in self.used
        ]
        return {
            "network": {**self.network.describe(), "stretch": self.used[0].fuser.stretch},
            "colour": {one.dataset.task: one.fuser.colour for one in self.used},
            "ttd": {"preset": ttd.preset, **ttd.options()},
            "calibrated": calibrated if ttd.needs_calibration else [],
            "data": [one.dataset.describe() for one in self.used],
        }


def draw(command: str, settings: Namespace) -> list[Path]:
    """Draw a figure; returns the files that it wrote.

    Args:
        command: ``panel``, ``strip``, ``rd``, ``masking``, ``contrast`` or ``time``.
        settings: Its instantiated options.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    ttd, group = (settings.ttd or TTD()).single(), settings.network
    network = create_network(group.name, group.checkpoint or BUNDLED, **group.options)
    datasets = open_samples(settings.data, settings.get("files") or ())
    for dataset in datasets:
        if isinstance(dataset, SceneDataset) and network.source_count is not None:
            dataset.keep(network.source_count, network.name)
        check_samples(network, dataset)
    stage = Stage(network.to(best_device()), ttd, datasets, settings)
    stem = Path(settings.output)
    stem = stem.with_suffix("") if stem.suffix in (".pdf", ".png") else stem
    if command not in ONE_BY_ONE or not settings.ids:
        return _draw(command, stage, settings, stem)
    if settings.id is not None:
        raise InputError("id beside ids; leave one of them out")
    places = [find_sample(datasets, id_) for id_ in settings.ids]
    paths: list[Path] = []
    for dataset, index in tracked(places):
        id_ = dataset.ids[index]
        one = Namespace(**{**vars(settings), "id": id_, "ids": []})
        paths += _draw(command, stage, one, stem.with_name(f"{stem.name}-{file_stem(id_)}"))
    return paths


def _draw(command: str, stage: Stage, settings: Namespace, stem: Path) -> list[Path]:
    """Draw one figure and write its files."""
    figure, table, facts = PROGRAMS[command](stage, settings)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    options = {key: value for key, value in vars(settings).items() if key not in GROUPS}
    about = {"figure": command, "options": options, **facts, **stage.describe(), **provenance()}
    return [
        *save(figure, stem),
        write(stem, "csv", text.getvalue().encode()),
        write(stem, "json", json.dumps(about, indent=2, ensure_ascii=False).encode()),
    ]


def draw_panel(stage: Stage, settings: Namespace) -> Drawn:
    """One sample in full."""
    return draw_sample(stage, settings, panel)


def draw_strip(stage: Stage, settings: Namespace) -> Drawn:
    """One sample in a row."""
    return draw_sample(stage, settings, strip)


def draw_sample(
    stage: Stage, settings: Namespace, drawing: Callable[[FusedSample, bool], Figure]
) -> Drawn:
    """One sample, its mean losses and RD."""
    dataset, index = find_sample(stage.datasets, settings.id)
    sample = stage.on(dataset).sample(index)
    rows = zip(sample.source_names, sample.losses, sample.rd, strict=True)
    table: Table = [("id", "source", "mean loss", "mean RD")]
    table += [(sample.id, name, mean(loss), mean(rd)) for name, loss, rd in rows]
    fixed = settings.fixed_scale
    return drawing(sample, fixed), table, rd_colours([sample.scale(fixed)])


def draw_rd(stage: Stage, settings: Namespace) -> Drawn:
    """Several samples side by side."""
    datasets = stage.datasets
    if settings.ids:
        found = [find_sample(datasets, id_) for id_ in settings.ids]
    elif len(datasets) > 1:
        found = [(dataset, 0) for dataset in datasets]
    else:
        found = [(datasets[0], k) for k in range(min(SIDE_BY_SIDE, len(datasets[0])))]
    samples = [stage.on(dataset).sample(index) for dataset, index in tracked(found)]
    table: Table = [("task", "id", "source", "mean RD", "least RD", "largest RD")]
    table += [
        (sample.task, sample.id, name, mean(rd), rd.min().item(), rd.max().item())
        for sample in samples
        for name, rd in zip(sample.source_names, sample.rd, strict=True)
    ]
    fixed = settings.fixed_scale
    return side_by_side(samples, fixed), table, rd_colours(common_scales(samples, fixed))


def draw_masking(stage: Stage, settings: Namespace) -> Drawn:
    """One source with a masked region."""
    if not 0 <= settings.value <= 1:
        raise InputError(f"value must be from 0 to 1, got {settings.value}")
    dataset, index = find_sample(stage.datasets, settings.id)
    name = find_source(dataset, index, settings.source)
    box = Box.within(settings.box, *dataset.sizes[index])
    fusion = stage.on(dataset)
    images = fusion.images(index)
    masked = masked_rd(fusion.fuse, images, name, box, settings.value)
    edges = (box.left, box.top, box.right, box.bottom)
    heading = ("id", "source", "left", "top", "right", "bottom", "RD before", "RD after")
    row = (dataset.ids[index], name, *edges, *masked.inside)
    fixed = settings.fixed_scale
    figure = masking(images[name], masked, name, fixed)
    return figure, [heading, row], {**rd_colours([masked.scale(fixed)]), **claim(masked)}


def draw_contrast(stage: Stage, settings: Namespace) -> Drawn:
    """One source of every sample, corrupted more and more; its noise is that of an evaluation."""
    dataset, shown = find_sample(stage.datasets, settings.id)
    name = find_source(dataset, shown, settings.source)
    count = len(dataset.source_names[shown])  # uniform RD is 1/M: another M is another curve
    alike = [k for k, names in enumerate(dataset.source_names) if len(names) == count]
    if len(alike) < len(dataset):
        note(f"left out for not having {count} sources: {len(dataset) - len(alike)} samples")
    every = [(k, find_source(dataset, k, name)) for k in alike]
    fusion = stage.on(dataset)
    samples = ((fusion.images(k), one, k) for k, one in tracked(every))
    curve = rd_under(fusion.fuse, samples, settings.corruption)
    images = fusion.images(shown)
    steps = [
        corrupted_rd(fusion.fuse, images, name, settings.corruption, step, shown)
        for step in curve.severities
    ]
    heading = ("severity", "mean RD", "95 % from", "95 % to", *(dataset.ids[k] for k in alike))
    table: Table = [heading]
    table += zip(curve.severities, *curve.band(), *curve.per_image, strict=True)
    corrupted, maps = zip(*steps, strict=True)
    fixed = settings.fixed_scale
    figure = severity(corrupted, maps, curve, name, settings.corruption, count, fixed)
    scale = RDScale.of(count, maps, fixed)
    return figure, table, {**rd_colours([scale]), **claim(curve)}


def draw_time(stage: Stage, settings: Namespace) -> Drawn:
    """The samples of a data set as frames of a sequence."""
    dataset = stage.datasets[0]
    chosen = [find_sample([dataset], id_)[1] for id_ in settings.ids]
    frames: Sequence[int] = chosen or range(len(dataset))
    names = dataset.source_names[frames[0]]
    for k in frames:
        if (others := dataset.source_names[k]) != names:
            raise InputError(
                f"{dataset.ids[k]} has the sources {', '.join(others)}, {dataset.ids[0]} has "
                f"{', '.join(names)}; frames need the same, set data.sources"
            )
    if settings.frames < 1:
        raise InputError(f"frames must be at least 1, got {settings.frames}")
    fusion = stage.on(dataset)
    means = rd_over_time(fusion.fuse, (fusion.images(k) for k in tracked(frames)))
    indices = np.linspace(0, len(frames) - 1, min(settings.frames, len(frames)))
    shown = [(int(k), fusion.sample(frames[int(k)])) for k in indices.round()]
    table: Table = [("frame", "id", *(f"mean RD of {name}" for name in names))]
    ids = [dataset.ids[k] for k in frames]
    table += [(k + 1, ids[k], *map(float, row)) for k, row in enumerate(means)]
    fixed = settings.fixed_scale
    drawn = [frame for _, frame in shown]
    figure = timeline(means, names, shown, fixed)
    return figure, table, rd_colours(common_scales(drawn, fixed))


PROGRAMS: dict[str, Callable[[Stage, Namespace], Drawn]] = {
    "panel": draw_panel,
    "strip": draw_strip,
    "rd": draw_rd,
    "masking": draw_masking,
    "contrast": draw_contrast,
    "time": draw_time,
}


def rd_colours(scales: Sequence[RDScale]) -> Facts:
    """What the colours of RD stand for."""
    centres = list(dict.fromkeys(one.centre for one in scales))
    return {"rd_colours": {"neutral_at": centres, "full_at_a_deviation_of": scales[0].reach}}


def claim(probed: Masked | Curve) -> Facts:
    """What the paper claims, and whether the figure shows the opposite."""
    return {"claim": {"text": probed.claim, "contradicted": probed.is_against_the_paper}}


def mean(values: Tensor) -> float:
    """Mean of a map."""
    return values.double().mean().item()


def tracked(samples: Sequence[Any]) -> Iterator[Any]:
    """The same, with a progress bar."""
    with ProgressBar("Fusing", len(samples), "images") as bar:
        for sample in samples:
            yield sample
            bar.advance()


if __name__ == "__main__":
    raise SystemExit("run fusionlab figures")
