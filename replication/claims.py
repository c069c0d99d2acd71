"""The paper's claims as findings: a measured difference beside what the paper says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fusionlab.data.corruptions import LEVELS
from fusionlab.runs.statistics import Comparison, compare, difference_interval
from replication.experiments import (
    FADING,
    MASK,
    NOISE,
    PRESETS,
    PROBES,
    SIGNS,
    TABLES,
    TIME_OF_DAY,
    TIMES,
)
from replication.measuring import Measured
from replication.published import Table, load_published, verdict, verdict_of_sign

FORMS = ("4", "5")  # tables that compare settings of TTD
SHOWN = "SD"  # the metric whose difference stands in tables of several; all of the paper's have it
TRUTH = "PSNR_truth"
VISIBLE = 0  # place of the visible image among the sources


@dataclass(frozen=True)
class Finding:
    """One measured difference and what the paper says of it.

    Args:
        row: The cells that begin its row in the table of its claim, by their headings.
        weights: The checkpoint.
        what: Which metric, or the RD of which source.
        measured: The difference.
        published: The same as printed, to two decimals; None where only its sign is claimed.
        sign: The claimed sign, where nothing is printed.
        static: Means of the static network, published and measured.
        data: On which data set, where the row does not tell.
        group: Findings of a claim that are counted apart.
    """

    row: dict[str, str]
    weights: str
    what: str
    measured: Comparison
    published: float | None = None
    sign: int = 1
    static: tuple[float | None, float | None] = (None, None)
    data: str = ""
    group: str = ""

    @property
    def verdict(self) -> str:
        """Whether it is found again, or the claim holds."""
        if self.published is not None:
            return verdict(self.published, self.measured)
        return verdict_of_sign(self.measured.low, self.measured.high, self.sign)


def tables(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Rows of Tables 1 to 7, by table, row, and on which data they are published and measured."""
    for number, table in load_published().tables.items():
        for setting in table.rows:
            for one in _beside(table, measured):
                there = f"{table.data}, {table.images or 'number not stated'}"
                place = {"Published on": there, "Measured on": _images(one)}
                row = {"Table": number, "Row": setting, **place, **_shown(table, setting)}
                group = "on the paper's data" if one.data == table.data else "on other data"
                yield from _of_table(row, table, setting, one, setting, group=group)


def settings(measured: Sequence[Measured]) -> Iterator[Finding]:
    """No claim of the paper: what other settings do, beside what it publishes for TTD."""
    for setting in (*PRESETS, *SIGNS.values()):
        for number, table in load_published().tables.items():
            for one in _beside(table, measured) if number not in FORMS else ():
                yield from _of_table({"Setting": setting}, table, "paper", one, setting)


def noise(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Table 8, by level of the noise."""
    for level, table in load_published().noise.items():
        for one in _of(NOISE, measured):
            row = {"Noise": f"{level:g}", "Measured on": _images(one), **_shown(table, "paper")}
            yield from _of_table(row, table, "paper", one, "paper", f"noise {level:g}")


def times(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Table 9: the ratio of times minus 1, by network and what is published."""
    published = load_published()
    for network, (static, ttd) in published.times.items():
        said = {f"{static:g} s to {ttd:g} s": ttd / static}
        if network in published.times_in_words:
            ratio = published.times_in_words[network]
            said[f"in words: about {ratio:g} times"] = ratio
        own = [one for one in _of(TIMES, measured) if _network(one) == network]
        for text, ratio in said.items():
            for one in own:
                ratios = one.time_ratios("paper")
                found = compare(np.ones_like(ratios), ratios, higher_is_better=False)
                row = {"Network": network, "Printed": text, "Measured on": _images(one)}
                trained = one.experiment.weights.address is not None
                weights = one.weights if trained else "untrained"
                yield Finding(row, weights, "time", found, round(ratio - 1, 2))


def signs(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Figure 5b: negative minus positive correlation, by setting, in metrics and PSNR."""
    for negative, positive in SIGNS.items():
        for one in _of(TABLES, measured):
            for metric, about in one.run.about["metrics"].items():
                if about["truth"] and metric != TRUTH:
                    continue
                old, new = (one.values(label, metric) for label in (positive, negative))
                higher = one.run.higher_is_better[metric]
                by = f"PSNR, {one.data}" if about["truth"] else "all metrics"
                yield Finding(
                    {"Setting": negative, "Measured by": by},
                    one.weights,
                    metric,
                    compare(old, new, higher),
                    sign=1 if higher else -1,
                    data=one.data,
                    group="by PSNR to a ground truth" if about["truth"] else "by metrics",
                )


def masking(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Figure 6: RD of each source in turn with a mask minus without, by preset."""
    for own in _probed(measured):
        for place in range(len(_sources(own[0]))):
            steps = [("whole", "clean"), ("masked", f"mask {MASK} of {{}}")]
            yield from _steps(own, place, steps)


def contrast(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Figure 7: RD of the visible image at each contrast minus at the one before, by preset."""
    left = LEVELS["contrast"]
    steps = [(f"{100 * left[k - 1]:.0f} %", f"contrast {k}") for k in FADING]
    for own in _probed(measured):
        yield from _steps(own, VISIBLE, [("100 %", "clean"), *steps])


def time_of_day(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Figure 8: mean RD of the visible image by day minus by night, by preset."""
    for one in _of(TIME_OF_DAY, measured):
        visible = _sources(one)[VISIBLE]
        for preset in PRESETS:
            day, night = (one.rd(preset, visible, time) for time in ("day", "night"))
            ends = difference_interval(day, night)
            mean = float(day.mean() - night.mean())
            found = Comparison(mean, *ends, float("nan"), len(day) + len(night))
            images = f"{one.data}, {len(day)} by day, {len(night)} by night"
            row = {"Setting": preset, "Measured on": images}
            yield Finding(row, one.weights, f"RD of {visible}", found)


def truth(measured: Sequence[Measured]) -> Iterator[Finding]:
    """No claim of the paper: what each preset does to PSNR against a ground truth."""
    for preset in PRESETS:
        for one in _of(TABLES, measured):
            if one.experiment.dataset.has_reference:
                row = {"Preset": preset, "Measured on": _images(one)}
                yield Finding(row, one.weights, TRUTH, one.difference(preset, TRUTH), group=preset)


def _of(claim: str, measured: Sequence[Measured]) -> list[Measured]:
    return [one for one in measured if one.experiment.claim == claim]


def _beside(table: Table, measured: Sequence[Measured]) -> list[Measured]:
    """What is measured on the data of a table, or on data that stand for them."""
    published = load_published()
    return [one for one in _of(TABLES, measured) if published.is_beside(one.data, table)]


def signed(value: float | None) -> str:
    """A published difference, as the paper prints it."""
    return f"{value:+.2f}".replace("-", "−")


def _shown(table: Table, row: str) -> dict[str, str]:
    """The published difference that stands in a table of several metrics."""
    return {f"Δ{SHOWN}": signed(table.differences(row)[table.metrics.index(SHOWN)])}


def _images(one: Measured) -> str:
    return f"{one.data}, {one.images}"


def _sources(one: Measured) -> tuple[str, ...]:
    return one.experiment.dataset.source_names[0]


def _network(one: Measured) -> str:
    return one.experiment.weights.open(one.experiment.dataset.task).title()


def _of_table(
    row: dict[str, str],
    table: Table,
    printed: str,
    one: Measured,
    setting: str,
    condition: str = "",
    group: str = "",
) -> Iterator[Finding]:
    """The K metrics of a table: its printed row beside a measured setting."""
    differences = zip(table.metrics, table.static, table.differences(printed), strict=True)
    for metric, static, difference in differences:
        found = one.difference(setting, metric, condition)
        means = (static, one.static_mean(metric, condition))
        yield Finding(
            row,
            one.weights,
            metric,
            found,
            difference,
            static=means,
            data=one.data,
            group=group,
        )


def _probed(measured: Sequence[Measured]) -> list[list[Measured]]:
    """The masked and faded data sets of each checkpoint."""
    found: dict[str, list[Measured]] = {}
    for one in _of(PROBES, measured):
        found.setdefault(one.weights, []).append(one)
    return list(found.values())


def _steps(
    own: Sequence[Measured], place: int, steps: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """RD of a source after each step minus before, over the images of all data sets.

    Args:
        own: The data sets.
        place: Of the source, whose name may be another in each of them.
        steps: What is done to it, one after the other: a name, and the condition, with ``{}`` for
            the name of the source.
    """

    def rd(preset: str, condition: str) -> np.ndarray:
        names = [(one, _sources(one)[place]) for one in own]
        return np.concatenate([one.rd(preset, name, condition.format(name)) for one, name in names])

    source = _sources(own[0])[place]
    for preset in PRESETS:
        for (before, old), (after, new) in pairwise(steps):
            found = compare(rd(preset, old), rd(preset, new), higher_is_better=False)
            images = "; ".join(map(_images, own))
            change = f"{source}, {before} to {after}"
            row = {"Setting": preset, "Change": change, "Measured on": images}
            yield Finding(row, own[0].weights, f"RD of {source}", found, sign=-1)
