"""Figure 8 on the page: RD of the visible image by day and by night."""

from __future__ import annotations

import re

import numpy as np

from fusionlab.figures.corruptions import SEVERITIES
from fusionlab.laboratory.replication.cells import head, images, line, small_interval
from fusionlab.laboratory.replication.dominability import VISIBLE, Probed, faded
from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.replication.shares import HOLDS, REVERSED, UNDECIDED, day_minus_night
from fusionlab.report.statistics import Comparison

DAY, NIGHT = "D", "N"  # endings of MSRS's names, after a number: 00537D, 00004N
LEAST = 2  # images of each, for an interval


def day_summary(results: Results) -> str:
    """One sentence: with how many settings and checkpoints the claim holds."""
    verdicts = [one for probed in _told(results) for _, _, one in _differences(probed).values()]
    if not verdicts:
        return "Figure 8 (time of day): not measured."
    held = verdicts.count(HOLDS)
    return f"Figure 8 (time of day): holds in {held} of {len(verdicts)} settings and checkpoints."


def day_part(results: Results) -> str:
    """A table for every checkpoint and data set whose names tell both; else what is lacking."""
    found = _told(results)
    if not found:
        counts = {one.data: [len(part) for part in _times(one)] for one in results.dominability}
        told = "; ".join(
            f"{data}: {images(day)} by day, {night} by night"
            for data, (day, night) in counts.items()
        )
        return (
            f"**Not measured**: it takes {LEAST} images of each, told by names that end in a "
            f"digit and {DAY} or {NIGHT} as those of MSRS ({told})."
        )
    return "\n\n" + "\n\n".join(f"{one.data}, {one.weights}:\n\n{day_table(one)}" for one in found)


def day_table(probed: Probed) -> str:
    """A line for each setting: mean RD of the visible image by day, by night, the difference."""
    name = probed.sources[VISIBLE]
    lines = head("Setting", f"RD of {name} by day", "by night", "Difference", "Verdict")
    for label, (means, found, verdict) in _differences(probed).items():
        cells = (*(f"{mean:.4f}" for mean in means), small_interval(found), f"**{verdict}**")
        lines.append(line(label, *cells))
    return "\n".join(lines)


def _differences(probed: Probed) -> dict[str, tuple[list[float], Comparison, str]]:
    """By setting: means by day and by night, their difference, the verdict."""
    told = {}
    for label, probes in probed.values.items():
        rd = probes[faded(SEVERITIES[-1])][:, 0]
        day, night = (rd[part] for part in _times(probed))
        found = day_minus_night(day, night)
        verdict = HOLDS if found.low > 0 else REVERSED if found.high < 0 else UNDECIDED
        told[label] = ([float(day.mean()), float(night.mean())], found, verdict)
    return told


def _told(results: Results) -> list[Probed]:
    """The data sets whose names tell enough images of both times."""
    return [one for one in results.dominability if min(map(len, _times(one))) >= LEAST]


def _times(probed: Probed) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images by day and by night, as their names end."""
    day, night = (
        [re.search(rf"[0-9]{ending}\Z", id_, re.IGNORECASE) is not None for id_ in probed.ids]
        for ending in (DAY, NIGHT)
    )
    return np.flatnonzero(day), np.flatnonzero(night)
