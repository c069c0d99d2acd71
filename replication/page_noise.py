"""Table 8 on the page: noise on the parameters, published against measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fusionlab.laboratory.replication.cells import (
    column,
    details,
    head,
    images,
    interval,
    line,
    printed,
)
from fusionlab.laboratory.replication.claims import Claim, noise_claims, tally
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    Published,
    verdict_of_all,
)
from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.statistics import compare
from fusionlab.report.table import ARROWS, number

SHOWN = "SD"  # the metric of the short table
NO_DATA = "Table 8 is not measured: no data at hand are LLVIP or stand for it."


def noise_summary(published: Published, results: Results) -> str:
    """One sentence: how many levels replicate."""
    found = noise_claims(published, results.data, results.noise)
    every = [claim for group in found.values() for claim in group]
    if not every:
        return NO_DATA
    tallies = [tally(one.verdicts()) for one in every]
    whole = sum(verdict_of_all(one.verdicts()) == REPLICATED for one in every)
    sign, size, of = (sum(column) for column in zip(*tallies, strict=True))
    return (
        f"Table 8 (noise on the parameters): {whole} of {len(every)} levels replicated; "
        f"{sign} of {of} differences have the published sign, {size} of these the size too."
    )


def noise_section(published: Published, results: Results) -> str:
    """A short table for every checkpoint, and all metrics folded up below it."""
    found = noise_claims(published, results.data, results.noise)
    parts = [f"## Noise on the parameters (Table 8)\n\n{_convention()}"]
    if not found:
        parts.append(f"{NO_DATA}\n")
    for (weights, data), group in found.items():
        measured = group[0].measured
        other = " (other data)" if group[0].on_other_data else ""
        count = images(len(measured.outcome.ids))
        parts.append(
            f"### {weights} ({measured.rule})\n\n"
            f"Published on {group[0].table.data}, {images(group[0].table.images)}; measured on "
            f"{data}{other}, {count}. {growth(group)}\n\n"
            f"{short_table(group)}\n"
        )
        parts.append(details(f"All metrics, {weights}, {data}", _all_metrics(group)))
    return "\n".join(parts)


def _convention() -> str:
    return """\
The paper names a noise level and no unit. Here it counts standard deviations: the noise of a
parameter tensor has the level times that tensor's own, for every weight and bias. Each image has
its own draw, the same with and without TTD, so the intervals over the images hold both. "Default"
is the package's default setting for the rule. "Static off" is as in the first table. Sign, and
size: how many metrics have the sign of the published TTD minus static at that level, and how many
of these the size too.
"""


def growth(group: Sequence[Claim]) -> str:
    """What the noise does to TTD's effect, published and measured, from the least to the most."""
    first, last = group[0], group[-1]
    there = [
        one.table.differences("paper")[one.table.metrics.index(SHOWN)] for one in (first, last)
    ]
    change = compare(_effect(first), _effect(last), higher_is_better=True)
    told = "grows too" if change.low > 0 else "falls" if change.high < 0 else "is not seen to grow"
    return (
        f"From noise {_level(first)} to {_level(last)} the published difference in {SHOWN} goes "
        f"from {printed(there[0])} to {printed(there[1])}; the measured one {told}: "
        f"by {interval(change)}."
    )


def _effect(one: Claim) -> np.ndarray:
    """TTD minus static of every image."""
    outcome = one.measured.outcome
    difference = outcome.values["paper"] - outcome.values[STATIC]
    return np.asarray(difference[:, column(outcome, SHOWN)])


def short_table(group: Sequence[Claim]) -> str:
    """A line for each level: means and differences of one metric, verdicts of all."""
    paper = [f"{SHOWN}, {place}" for place in ("published", "measured")]
    paper += [f"{SHOWN}, TTD − static, {place}" for place in ("published", "measured")]
    verdicts = ("Sign, and size", "Verdict")
    default = group[0].measured.default
    own = ("Noise", "Static off", *paper, *verdicts)
    lines = head(
        *own,
        f"{SHOWN}, default ({default}) − static",
        *(f"Default: {one.lower()}" for one in verdicts),
    )
    for one in group:
        k = one.table.metrics.index(SHOWN)
        difference, measured = one.against("paper")[k]
        cells = [_level(one), f"{100 * one.static_off:.0f} %", *_means(one, SHOWN)]
        cells += [printed(difference), interval(measured), *_told(one.verdicts())]
        cells += [interval(one.against(default)[k][1]), *_told(one.verdicts(default))]
        lines.append(line(*cells))
    return "\n".join(lines)


def _told(verdicts: Sequence[str]) -> tuple[str, str]:
    sign, size, of = tally(verdicts)
    return f"{sign}, {size} of {of}", f"**{verdict_of_all(verdicts)}**"


def _means(one: Claim, metric: str) -> tuple[str, str]:
    """Static → TTD, published and measured."""
    outcome, k = one.measured.outcome, one.table.metrics.index(metric)
    there = [f"{values[k]:.2f}" for values in (one.table.static, one.table.rows["paper"])]
    place = column(outcome, metric)
    here = [number(outcome.mean(label, place)) for label in (STATIC, "paper")]
    return " → ".join(there), " → ".join(here)


def _all_metrics(group: Sequence[Claim]) -> str:
    """Means, and differences of the preset paper and of the default."""
    measured = group[0].measured
    default = measured.default
    cells: dict[str, Callable[[Claim, str], str]] = {
        "Static → TTD (paper): published; measured": _both_means,
        "TTD (paper) − static: published; measured": partial(_difference, setting="paper"),
        f"Default ({default}) − static: published for TTD; measured": partial(
            _difference, setting=default
        ),
    }
    tables = [f"{title}\n\n{_by_metric(group, cell)}\n" for title, cell in cells.items()]
    return "\n".join(["Marked ✓✓: sign and size as published; ✓: sign alone.\n", *tables])


def _both_means(one: Claim, metric: str) -> str:
    return "; ".join(_means(one, metric))


def _difference(one: Claim, metric: str, setting: str) -> str:
    k = one.table.metrics.index(metric)
    difference, measured = one.against(setting)[k]
    told = one.verdicts(setting)[k]
    mark = {REPLICATED: " ✓✓", NOT_REPLICATED: ""}.get(told, " ✓")
    return f"{printed(difference)}; {interval(measured)}{mark}"


def _by_metric(group: Sequence[Claim], cell: Callable[[Claim, str], str]) -> str:
    outcome = group[0].measured.outcome
    metrics = group[0].table.metrics
    arrows = {one.name: ARROWS[one.higher_is_better] for one in outcome.measures}
    lines = head("Noise", *(metric + arrows[metric] for metric in metrics))
    for one in group:
        lines.append(line(_level(one), *(cell(one, metric) for metric in metrics)))
    return "\n".join(lines)


def _level(one: Claim) -> str:
    return f"{one.measured.outcome.level:g}"
