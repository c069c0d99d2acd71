"""The replication page: published against measured, written from results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusionlab.laboratory.replication.criterion import LARGEST_LOSS
from fusionlab.laboratory.replication.measure import REPEATS, Measured
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    ROUNDING,
    SIGN_ONLY,
    Published,
    verdict_of_all,
)
from fusionlab.laboratory.replication.tables import (
    Claim,
    claim_table,
    claims,
    closest_table,
    recommendation_table,
    shares_table,
    times_table,
    truth_table,
    verdicts_table,
)
from fusionlab.laboratory.settings import choices
from fusionlab.laboratory.table import markdown
from fusionlab.settings import TTD


@dataclass(frozen=True)
class Results:
    """Everything that the page says.

    Args:
        command: What made it, without paths.
        settings: TTD settings by label.
        data: On data sets, by checkpoint.
        truth: On scenes with a ground truth, by checkpoint, the package's own too.
        times: Times, by checkpoint.
        at_hand: Images that each data set has here, used or not.
        data_hashes: SHA-256 of the images used, by data set.
        weight_hashes: SHA-256 by checkpoint.
        provenance: Versions and commit.
        kept: Rows of values that an earlier run had computed.
    """

    command: str
    settings: Mapping[str, TTD]
    data: Sequence[Measured]
    truth: Sequence[Measured]
    times: Sequence[Measured]
    at_hand: Mapping[str, int]
    data_hashes: Mapping[str, str]
    weight_hashes: Mapping[str, str]
    provenance: Mapping[str, Any]
    kept: int


def page(published: Published, results: Results) -> str:
    """The whole page as Markdown."""
    found = claims(published, results.data)
    parts = [
        "# Replication of test-time dynamic fusion\n",
        f"What is marked as published is printed in {published.source}. Everything else on this "
        "page is computed by the command at its end; no number is typed in.\n",
        _criteria(),
        _verdicts(found, results),
        _recommendation(results),
        "## Published against measured\n",
        *[f"{_claim_heading(one)}\n\n{claim_table(one)}\n" for one in found],
        "## All settings\n",
        "Static means; below, each setting minus static, image by image, with its 95 % bootstrap "
        "interval and the share of images improved.\n",
        *["#" + markdown(one.outcome) for one in results.data],
        _truth(results),
        _times(published, results),
        _not_measured(published, results),
        _made(results),
    ]
    return "\n".join(parts)


def _criteria() -> str:
    return f"""## Criteria

A **setting is recommended** by two questions, in this order:

1. Ground truth: on reference data no image may lose more than {LARGEST_LOSS:.2f} dB of PSNR against
   the static network, and the mean over the images of each data set must rise.
2. Of those that pass, the one that improves the largest share of the paper's metrics, over the data
   sets without reference, with the whole 95 % interval beyond 0.

A **published difference** (TTD minus static) **is replicated** in a metric if the 95 % interval of
the measured one lies on the published side of 0 (sign) and contains the published value, give or
take {ROUNDING:g} of rounding (size). The verdict of a table is that of its worst metric:
{REPLICATED}, {SIGN_ONLY}, or {NOT_REPLICATED}. Few images make wide intervals:
"{NOT_REPLICATED}" says that the effect is not seen here.
"""


def _verdicts(found: Sequence[Claim], results: Results) -> str:
    same = [one for one in found if not one.on_other_data]
    counts = Counter(verdict_of_all(one.verdicts()) for one in same)
    told = ", ".join(f"{counts[one]} {one}" for one in (REPLICATED, SIGN_ONLY, NOT_REPLICATED))
    return f"""## Verdicts

Of {len(same)} comparisons with a published row on a part of the same data set: {told}.
Comparisons marked "other data" set figures of one data set beside those of another, and can support
a sign at most.
The paper's Table 4 calls ω = 0.5 the IFCNN baseline, which is the mean rule; IFCNN's authors take
the maximum but for multi-exposure. Every given checkpoint is measured on every data set. The
settings behind the names of rows are listed at the end. "Static off" is the mean over the metrics
of the relative distance between measured and published static means: it tells how alike images,
weights and metrics are.

{verdicts_table(found)}

Which settings move the metrics as the paper's rows of IFCNN+TTD do: metrics with the published
sign, and of these with the size too.

{closest_table(found, list(results.settings))}
"""


def _recommendation(results: Results) -> str:
    return f"""## What the criterion recommends

{recommendation_table(results.truth, results.data)}

Improved metrics by setting, whether it passes the ground truth or not (all data sets without
reference together):

{shares_table(results.data)}

More contrast and sharper edges raise most of these metrics, noise does too; that is why the ground
truth is asked first.
"""


def _claim_heading(one: Claim) -> str:
    outcome, table = one.measured.outcome, one.table
    there = "number not stated" if table.images is None else f"{table.images} images"
    other = " (other data)" if one.on_other_data else ""
    return (
        f"### Table {one.number}, {table.title}: {one.row}, {one.measured.weights}\n\n"
        f"Published on {table.data} ({there}); measured on {outcome.data}{other} "
        f"({len(outcome.ids)} images)."
    )


def _truth(results: Results) -> str:
    weights = list(dict.fromkeys(one.weights for one in results.truth))
    parts = [
        "## Ground truth\n",
        "PSNR and SSIM against the truth on the built-in scenes, setting minus static. "
        '"Passes" is the first question of the criterion. The scenes are few, computed by the '
        "package itself, and the settings that compare the fused image were developed with them in "
        "view: for those this is no independent test.\n",
    ]
    for name in weights:
        own = [one for one in results.truth if one.weights == name]
        parts.append(f"### {name} ({own[0].rule})\n\n{truth_table(own)}\n")
    return "\n".join(parts)


def _times(published: Published, results: Results) -> str:
    return f"""## Time (Table 9)

Mean over images of the median ratio of {REPEATS} runs, static and TTD in turn, on a CPU
(threads: {results.provenance["threads"]}). The seconds printed for IFCNN contradict the paper's
text, which says about twice the baseline.

{times_table(results.times, published.times)}
"""


def _not_measured(published: Published, results: Results) -> str:
    used = {number for name in results.at_hand for number in published.data[name].tables}
    here = {table.data for table in published.tables.values()} & set(results.at_hand)
    lines = []
    for number, table in published.tables.items():
        if table.data not in here:
            beside = ", set beside other data above" if number in used else ""
            lines.append(f"- Table {number}, {table.title}: {table.data} is not at hand{beside}")
    lines += [f"- {what}: {why}" for what, why in published.others.items()]
    return "## Not measured\n\n" + "\n".join(lines) + "\n"


def _made(results: Results) -> str:
    counts = {one.outcome.data: len(one.outcome.ids) for one in results.data}
    data = [
        f"- {name}: {count} of {results.at_hand[name]} images at hand"
        f"{'' if count == results.at_hand[name] else ', the first by name'}; "
        f"SHA-256 of their files in order {results.data_hashes[name][:16]}"
        for name, count in counts.items()
    ]
    weights = [f"- {name}: SHA-256 {sha[:16]}" for name, sha in results.weight_hashes.items()]
    settings = [
        f"- {label}: {', '.join(f'{name} {value}' for name, value in choices(ttd).items())}"
        for label, ttd in results.settings.items()
    ]
    made = results.provenance
    versions = ", ".join(f"{name} {one}" for name, one in made["versions"].items())
    kept = f"{results.kept} rows of values were kept from an earlier run." if results.kept else ""
    return f"""## How this page was made

```
{results.command}
```

fusionlab {made["fusionlab"]}, commit {made["commit"] or "unknown"}, Python {made["python"]};
{versions}. {kept}
Nothing is random but the bootstrap: 10,000 resamples of the images, seed 0. Metrics are those of
the preset `ttd`, of the luma of the 8-bit image. Given weights see colour images (multi-focus)
normalised with ImageNet's statistics, as their authors' program does.

Data:

{chr(10).join(data)}

Weights of IFCNN:

{chr(10).join(weights)}

Settings:

{chr(10).join(settings)}
"""
