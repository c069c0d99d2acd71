"""Figures 6 and 7 on the page: how RD answers to a mask and to lost contrast."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fusionlab.figures.corruptions import SEVERITIES
from fusionlab.laboratory.replication.cells import head, images, line, small_interval
from fusionlab.laboratory.replication.dominability import (
    BOX,
    LARGEST,
    VISIBLE,
    Probed,
    contrast_left,
    faded,
    masked,
)
from fusionlab.laboratory.replication.page_day import day_part, day_summary
from fusionlab.laboratory.replication.published import Published
from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.replication.shares import (
    HOLDS,
    REVERSED,
    UNDECIDED,
    falls,
    falls_at_every_step,
    pooled,
)
from fusionlab.report.statistics import compare

NO_DATA = "Figures 6 to 8 are not measured: no infrared-visible data at hand."


def dominability_summary(results: Results) -> list[str]:
    """A sentence for each figure: of 6 and 7, the settings with which every checkpoint holds."""
    if not results.dominability:
        return [NO_DATA]
    masks = [masked(source) for source in range(len(results.dominability[0].sources))]
    claims = {"Figure 6 (masking)": masks, "Figure 7 (contrast)": [faded(SEVERITIES[-1])]}
    held = [
        f"{figure}: with every checkpoint it holds for {_held(results, probes)}."
        for figure, probes in claims.items()
    ]
    return [*held, day_summary(results)]


def dominability_section(published: Published, results: Results) -> str:
    """Claim, tables and verdicts of each figure."""
    if not results.dominability:
        return f"## RD (Figures 6 to 8)\n\n{NO_DATA}\n"
    data = dict.fromkeys((one.data, len(one.ids)) for one in results.dominability)
    used = ", ".join(f"{name} ({images(count)})" for name, count in data)
    visible = results.dominability[0].sources[VISIBLE]
    left, right = (f"{100 * BOX[k]:.0f} %" for k in (0, 2))
    return f"""## RD under a mask, lost contrast, and by the time of day (Figures 6 to 8)

The figures show pictures and curves without printed numbers; what the paper reads from them is
counted here: in how many images it holds, with the exact 95 % interval of that share. Verdict:
{HOLDS} if the whole interval lies above one half, {REVERSED} if below, else {UNDECIDED}.
Data: {used}; of each image the middle, at most {LARGEST} × {LARGEST} pixels.
Changes of RD are means with bootstrap intervals. The weights of a setting with "peak" are at most
1/M and do not sum to 1.

### Masking (Figure 6)

{published.figures["6"]} A rectangle of one source, from {left} to {right} of its sides, is black;
the change is that of its own mean RD there.

{_tables(results, mask_table)}

### Contrast (Figure 7)

{published.figures["7"]} The contrast of {visible} fades in {len(SEVERITIES) - 1} steps to
{100 * contrast_left():.0f} %; the change is that of its mean RD from none to the last. The verdict
asks for the last step alone.

{_tables(results, contrast_table)}

### Time of day (Figure 8)

{published.figures["8"]} {day_part(results)}
"""


def mask_table(probed: Sequence[Probed]) -> str:
    """A line for each setting; for each source the share, the change and the verdict.

    Args:
        probed: Data sets of one checkpoint.
    """
    names = probed[0].sources
    columns = ("RD falls in", "change", "verdict")
    lines = head("Setting", *(f"{name} masked: {text}" for name in names for text in columns))
    for label, probes in pooled(probed).items():
        cells = []
        for source in range(len(names)):
            share = falls(probes[masked(source)])
            cells += [str(share), _change(probes[masked(source)]), f"**{share.verdict}**"]
        lines.append(line(_name(label, probed[0]), *cells))
    return "\n".join(lines)


def contrast_table(probed: Sequence[Probed]) -> str:
    """A line for each setting: mean RD, its change, two shares, the verdict.

    Args:
        probed: Data sets of one checkpoint.
    """
    shares = ("Lower at the last step in", "Lower at every step in")
    lines = head("Setting", "Mean RD", "Change", *shares, "Verdict")
    for label, probes in pooled(probed).items():
        last = probes[faded(SEVERITIES[-1])]
        share = falls(last)
        cells = (f"{last[:, 0].mean():.4f}", _change(last), str(share))
        told = (str(falls_at_every_step(probes)), f"**{share.verdict}**")
        lines.append(line(_name(label, probed[0]), *cells, *told))
    return "\n".join(lines)


def _tables(results: Results, table: Callable[[Sequence[Probed]], str]) -> str:
    parts = []
    for weights in results.weights:
        own = [one for one in results.dominability if one.weights == weights]
        parts.append(f"{weights} ({own[0].rule}):\n\n{table(own)}")
    return "\n\n".join(parts)


def _held(results: Results, probes: Sequence[str]) -> str:
    """The settings, of each checkpoint its own default, for which all probes hold everywhere."""
    held = []
    for weights in results.weights:
        own = [one for one in results.dominability if one.weights == weights]
        held.append(
            {
                "default" if label == own[0].default else label
                for label, found in pooled(own).items()
                if all(falls(found[name]).verdict == HOLDS for name in probes)
            }
        )
    return "; ".join(sorted(set.intersection(*held))) or "no setting"


def _name(label: str, probed: Probed) -> str:
    return f"{label} (default)" if label == probed.default else label


def _change(values: np.ndarray) -> str:
    return small_interval(compare(values[:, 0], values[:, 1], True))
