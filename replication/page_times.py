"""Table 9 on the page: the time of TTD as a ratio to the static network's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fusionlab.laboratory.replication.cells import column, head, images, line
from fusionlab.laboratory.replication.measure import REPEATS, Measured
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    Published,
    verdict,
)
from fusionlab.laboratory.replication.results import Results
from fusionlab.report.statistics import Comparison
from fusionlab.report.table import number


class Ratio(NamedTuple):
    """A published ratio of times beside a measured one."""

    network: str
    text: str
    """What is published, in words and figures."""
    published: float
    measured: Measured

    @property
    def difference(self) -> Comparison:
        """Measured ratio minus 1, the static network's."""
        outcome = self.measured.outcome
        return outcome.against_static["paper"][column(outcome, "ratio")]

    @property
    def verdict(self) -> str:
        """Of the sign (TTD takes longer) and the size."""
        return verdict(round(self.published - 1, 2), self.difference)


def ratios(published: Published, times: Sequence[Measured]) -> list[Ratio]:
    """Every published ratio with every measurement of its network."""
    return [
        Ratio(network, text, ratio, one)
        for network, text, ratio in _published(published)
        for one in times
        if one.network == network.lower()
    ]


def times_summary(published: Published, results: Results) -> str:
    """One sentence: how many ratios replicate."""
    found = ratios(published, results.times)
    size = sum(one.verdict == REPLICATED for one in found)
    longer = sum(one.verdict != NOT_REPLICATED for one in found)
    return (
        f"Table 9 (time with TTD / static): of {len(found)} ratios, {longer} have the published "
        f"sign, {size} of these the size too."
    )


def times_section(published: Published, results: Results) -> str:
    """Ratios published and measured, then those of other settings."""
    contradicted = ", ".join(published.times_in_words)
    return f"""## Time (Table 9)

Only ratios are compared: the machines differ. Mean over images of the median ratio of {REPEATS}
runs, static and TTD in turn, on a CPU (threads: {results.provenance["threads"]}). "Fresh"
weights are untrained, which takes as long. The seconds printed for {contradicted} contradict the
paper's text; both are listed. The sign is that of the ratio minus 1: whether TTD takes longer.

{ratio_table(ratios(published, results.times))}

Other settings:

{_settings_table(results.times)}
"""


def ratio_table(found: Sequence[Ratio]) -> str:
    """A line for each published ratio and measurement."""
    own = ("Network", "Published, LLVIP", "Ratio", "Weights", "Measured on")
    lines = head(*own, "Ratio [95 % interval]", "Measured − published", "Verdict")
    for one in found:
        ratio, outcome = one.difference, one.measured.outcome
        place = f"{outcome.data}, {images(len(outcome.ids))}"
        here = f"{1 + ratio.mean:.2f} [{_plus(ratio.low)}, {_plus(ratio.high)}]"
        difference = number(1 + ratio.mean - one.published, signed=True)
        cells = (
            one.network,
            one.text,
            f"{one.published:.2f}",
            one.measured.weights,
            place,
            here,
            difference,
        )
        lines.append(line(*cells, f"**{one.verdict}**"))
    return "\n".join(lines)


def _published(published: Published) -> Iterator[tuple[str, str, float]]:
    for network, (static, ttd) in published.times.items():
        yield network, f"{static:g} s to {ttd:g} s", ttd / static
        if network in published.times_in_words:
            ratio = published.times_in_words[network]
            yield network, f"in words: about {ratio:g} times", ratio


def _settings_table(times: Sequence[Measured]) -> str:
    lines = head("Weights", "Measured on", "Setting", "Ratio [95 % interval]")
    for one in times:
        outcome = one.outcome
        for setting in outcome.settings:
            if setting != "paper":
                ratio = outcome.against_static[setting][column(outcome, "ratio")]
                place = f"{outcome.data}, {images(len(outcome.ids))}"
                told = f"{1 + ratio.mean:.2f} [{_plus(ratio.low)}, {_plus(ratio.high)}]"
                lines.append(line(one.weights, place, setting, told))
    return "\n".join(lines)


def _plus(value: float) -> str:
    return number(1 + value)
