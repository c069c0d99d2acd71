"""The replication page: published against measured, written from results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fusionlab.laboratory.replication.cells import images
from fusionlab.laboratory.replication.claims import Claim, claims
from fusionlab.laboratory.replication.criterion import LARGEST_LOSS
from fusionlab.laboratory.replication.page_dominability import (
    dominability_section,
    dominability_summary,
)
from fusionlab.laboratory.replication.page_left import left_section
from fusionlab.laboratory.replication.page_made import made_section
from fusionlab.laboratory.replication.page_noise import noise_section, noise_summary
from fusionlab.laboratory.replication.page_signs import signs_section, signs_summary
from fusionlab.laboratory.replication.page_times import times_section, times_summary
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    ROUNDING,
    SIGN_ONLY,
    Published,
    verdict_of_all,
)
from fusionlab.laboratory.replication.results import Results
from fusionlab.laboratory.replication.tables import (
    claim_table,
    closest_table,
    recommendation_table,
    shares_table,
    truth_table,
    verdicts_table,
)
from fusionlab.laboratory.table import markdown

FORMS = ("4", "5")  # tables of other settings than the preset paper


def page(published: Published, results: Results) -> str:
    """The whole page as Markdown."""
    found = claims(published, results.data)
    parts = [
        "# Replication of test-time dynamic fusion\n",
        f"What is marked as published is printed in {published.source}. Everything else on this "
        "page is computed by the command at its end; no number is typed in.\n",
        _criteria(),
        _verdicts(found, published, results),
        _closest(found, results),
        _recommendation(results),
        "## Published against measured\n",
        *[f"{_claim_heading(one)}\n\n{claim_table(one)}\n" for one in found],
        noise_section(published, results),
        signs_section(published, results),
        dominability_section(published, results),
        times_section(published, results),
        "## All settings\n",
        "Static means; below, each setting minus static, image by image, with its 95 % bootstrap "
        "interval and the share of images improved.\n",
        *["#" + markdown(one.outcome) for one in results.data],
        _truth(results),
        left_section(published, results),
        made_section(results),
    ]
    return "\n".join(parts)


def _criteria() -> str:
    return f"""## Criteria

A **setting is recommended** by three questions, in this order:

1. Ground truth: on reference data no image may lose more than {LARGEST_LOSS:.2f} dB of PSNR against
   the static network, and the mean over the images of each data set must rise.
2. Of those that pass, the one that improves the largest share of the paper's metrics, over the data
   sets without reference, with the whole 95 % interval beyond 0.
3. Of equal shares, the one that gains more PSNR.

A **published difference** (TTD minus static) **is replicated** in a metric if the 95 % interval of
the measured one lies on the published side of 0 (sign) and contains the published value, give or
take {ROUNDING:g} of rounding (size). The verdict of a table is that of its worst metric:
{REPLICATED}, {SIGN_ONLY}, or {NOT_REPLICATED}. Few images make wide intervals:
"{NOT_REPLICATED}" says that the effect is not seen here.
"""


def _verdicts(found: Sequence[Claim], published: Published, results: Results) -> str:
    same = [one for one in found if not one.on_other_data]
    counts = Counter(verdict_of_all(one.verdicts()) for one in same)
    told = ", ".join(f"{counts[one]} {one}" for one in (REPLICATED, SIGN_ONLY, NOT_REPLICATED))
    others = [
        noise_summary(published, results),
        times_summary(published, results),
        signs_summary(results),
        *dominability_summary(results),
    ]
    return f"""## Verdicts

- Tables 1 to 7: of {len(same)} comparisons with a published row on a part of the same data set,
  {told}.
{chr(10).join(f"- {one}" for one in others)}

Comparisons marked "other data" set figures of one data set beside those of another, and can support
a sign at most.
The paper's Table 4 calls ω = 0.5 the IFCNN baseline, which is the mean rule; IFCNN's authors take
the maximum but for multi-exposure. Every given checkpoint is measured on every data set. The
settings behind the names of rows are listed at the end. "Static off" is the mean over the metrics
of the relative distance between measured and published static means: it tells how alike images,
weights and metrics are.

{verdicts_table(found)}
"""


def _closest(found: Sequence[Claim], results: Results) -> str:
    parts = [
        "Which settings move the metrics as the paper's rows of IFCNN+TTD do: metrics with the "
        "published sign, and of these with the size too.\n"
    ]
    for weights in results.weights:
        own = [one for one in found if one.measured.weights == weights and one.number not in FORMS]
        if own:
            heading = f"{weights} ({own[0].measured.rule}):"
            parts.append(f"{heading}\n\n{closest_table(own, list(results.settings))}\n")
    return "\n".join(parts)


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
    other = " (other data)" if one.on_other_data else ""
    return (
        f"### Table {one.number}, {table.title}: {one.row}, {one.measured.weights}\n\n"
        f"Published on {table.data} ({images(table.images)}); measured on {outcome.data}{other} "
        f"({images(len(outcome.ids))})."
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
