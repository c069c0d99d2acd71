"""The page: its template, filled with a table for each claim; every number in files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionlab.data.corruptions import LEVELS
from fusionlab.data.dataset import FusionDataset
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.report.table import ttd_line
from fusionlab.runs.files import write_atomic
from replication import claims
from replication.cells import csv_text, markdown, table, verdict_line
from replication.experiments import DRAWS, MASK, PROBED_SIZE, REPEATS, SETTINGS, Weights
from replication.measuring import Measured
from replication.published import ROUNDING, load_published

SECTIONS = {
    "tables": (claims.tables, "Tables 1 to 7 (metrics)"),
    "settings": (claims.settings, ""),
    "noise": (claims.noise, "Table 8 (noise on the parameters)"),
    "times": (claims.times, "Table 9 (time)"),
    "signs": (claims.signs, "Figure 5b (negative correlation is better)"),
    "masking": (claims.masking, "Figure 6 (masking)"),
    "contrast": (claims.contrast, "Figure 7 (contrast)"),
    "time_of_day": (claims.time_of_day, "Figure 8 (time of day)"),
    "truth": (claims.truth, "Ground truth (no claim of the paper)"),
}
"""By the name in the template, what finds and, in the list of verdicts, what it is called."""


@dataclass(frozen=True)
class Inputs:
    """What the page is made of.

    Args:
        command: The command.
        weights: The checkpoints.
        data: The data sets, as far as they were used.
        at_hand: How many images each has here.
    """

    command: str
    weights: Sequence[Weights]
    data: Sequence[FusionDataset]
    at_hand: Mapping[str, int]


def write_page(measured: Sequence[Measured], inputs: Inputs, path: Path) -> None:
    """Write the page, and the numbers of each claim into a folder of its name beside it."""
    parts, verdicts = {}, []
    for name, (finder, title) in SECTIONS.items():
        found = list(finder(measured))
        if title:
            verdicts.append(f"- {verdict_line(title, found)}")
        parts[name] = "**Not measured**: no data for it were given."
        if found:
            file = path.with_suffix("") / f"{name}.csv"
            write_atomic(file, csv_text(found).encode())
            link = f"[{file.name}]({file.parent.name}/{file.name})"
            parts[name] = f"{table(found)}\n\nEvery number: {link}."
    template = Path(__file__).with_name("template.md").read_text(encoding="utf-8")
    text = template.format(
        verdicts="\n".join(verdicts),
        left="\n".join(f"- {one}" for one in left(inputs.at_hand)),
        **parts,
        **_facts(),
        **_made(measured[0].run.about, inputs),
    )
    write_atomic(path, text.encode())


def left(at_hand: Mapping[str, int]) -> Iterator[str]:
    """What is not measured of the paper's tables, and what stands in its place.

    Args:
        at_hand: Number of images by data set.
    """
    published, tables = load_published(), load_published().tables.values()
    for name in dict.fromkeys(one.data for one in tables):
        if name not in at_hand:
            numbers = [key for key, one in published.tables.items() if one.data == name]
            numbers += ["8"] if published.noise[0.0].data == name else []
            beside = [one for one in at_hand if published.data[one].stands_for == name]
            why = published.lacking.get(name, "the images are not available here")
            told = f"; set beside {', '.join(beside)}" if beside else ""
            yield f"{name} (published in {', '.join(numbers)}): {why}{told}."
    networks = dict.fromkeys(name for one in tables for name in one.no_weights)
    yield f"{', '.join(networks)}: no trained weights available."
    networks = dict.fromkeys(name for one in tables for name in one.without_ttd)
    yield f"Static networks, to which the paper gives no TTD: {', '.join(networks)}."


def _facts() -> dict[str, object]:
    """What the template says of the paper and of the experiments."""
    published = load_published()
    return {
        "source": published.source,
        **{f"figure_{number}": claim for number, claim in published.figures.items()},
        "contradicted": ", ".join(published.times_in_words),
        "rounding": ROUNDING,
        "shown": claims.SHOWN,
        "draws": DRAWS,
        "repeats": REPEATS,
        "size": PROBED_SIZE,
        "mask": f"{100 * LEVELS['mask'][MASK - 1]:.0f} %",
    }


def _made(about: Mapping[str, Any], inputs: Inputs) -> dict[str, str]:
    """What made the page: data, weights, settings, command, versions."""
    data = [["Data", "Task", "Images used", "Images available", "Ground truth"]]
    for one in inputs.data:
        truth = "yes" if one.has_reference else "no"
        data.append([one.name, one.task, str(len(one)), str(inputs.at_hand[one.name]), truth])
    weights = [["Weights of IFCNN", "Rule", "SHA-256 begins"]]
    for given in inputs.weights:
        network = given.open("vif")
        assert isinstance(network, IFCNN)
        weights.append([given.name, network.rule, network.checkpoint["sha256"][:16]])
    options = [["Setting", "Options"]]
    options += [[label, ttd_line(ttd.options())] for label, ttd in SETTINGS.items()]
    versions = ", ".join(f"{name} {one}" for name, one in about["versions"].items())
    return {
        "data": markdown(data),
        "weights": markdown(weights),
        "options": markdown(options),
        "command": inputs.command,
        "made": f"fusionlab {about['fusionlab']}, commit {about['commit'] or 'unknown'}, Python "
        f"{about['python']}, {versions}; threads: {about['threads']}.",
    }
