"""The theorem of TTD in words and numbers: its file, its part of the summary, its line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from fusionlab.data.dataset import FusionDataset
from fusionlab.metrics.theorem import COLUMNS, OF_IMAGE, OF_SOURCE
from fusionlab.report.images import write_whole
from fusionlab.report.run import THEOREM_KEY
from fusionlab.report.table import WIDTH
from fusionlab.training.scoreboard import Scores, TheoremScores

NO_BREAK = "\xa0"  # textwrap does not break a line at this space


def write_theorem(path: Path, evaluated: Iterable[tuple[FusionDataset, Scores]]) -> None:
    """One line per data set, image and source; what belongs to the image stands in each of its.

    Args:
        path: The CSV file.
        evaluated: Data sets and what was found on them; those without the theorem are left out.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([*THEOREM_KEY, *COLUMNS])
    for dataset, scores in evaluated:
        for index, found in scores.theorem.lines.items() if scores.theorem else ():
            for source, line in found.items():
                key = (dataset.name, dataset.task, dataset.ids[index], source)
                lines.writerow([*key, *blank_if_nan(line)])
    write_whole(path, text.getvalue().encode())


def blank_if_nan(values: Sequence[float]) -> list[float | None]:
    """None, which a CSV file has as nothing, where there is no value."""
    return [None if math.isnan(value) else value for value in values]


def means(theorem: TheoremScores) -> dict[str, Any]:
    """Means over the images, of each source and of the image; only those that are defined."""
    found = {name: mean for name, mean in theorem.means.items() if not math.isnan(mean)}
    names = dict.fromkeys(source for lines in theorem.lines.values() for source in lines)
    sources = {
        name: {value: found[f"{value}/{name}"] for value in OF_SOURCE if f"{value}/{name}" in found}
        for name in names
    }
    return {"sources": sources, **{value: found[value] for value in OF_IMAGE if value in found}}


def theorem_line(theorem: TheoremScores) -> str:
    """On how many images with a GEB Eq. 5 holds, and the covariances, in 80 columns."""
    place = COLUMNS.index("dynamic_is_lower")
    known = [next(iter(found.values()))[place] for found in theorem.lines.values()]
    known = [is_lower for is_lower in known if not math.isnan(is_lower)]
    images = "1 image" if len(known) == 1 else f"{len(known)} images"
    pairs = (
        f"{small(one.get('covariance', math.nan))} ({name})".replace(" ", NO_BREAK)
        for name, one in means(theorem)["sources"].items()
    )
    holds = f"theorem: Eq. 5 holds on {sum(known):.0f} of {images}"
    text = f"{holds}; Cov(ω,{NO_BREAK}ℓ){NO_BREAK}{', '.join(pairs)}"
    lines = fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines.replace(NO_BREAK, " ")


def small(value: float) -> str:
    """Two digits that count."""
    return f"{value:.2g}".replace("-", "−")


def theorem_convention(ttd: dict[str, Any], with_truth: bool) -> str:
    """What is measured with these settings of TTD, and what is not.

    Args:
        ttd: The ``ttd`` group of the config, its normalization resolved.
        with_truth: Whether there is a ground truth.
    """
    loss = "l1" if ttd["loss"] == "objective" else ttd["loss"]
    applied = ttd["normalization"]
    is_share = applied in ("peak", "none")
    said = [
        f"ω is RD, as a share, for weights of {applied} do not sum to 1."
        if is_share
        else "ω is RD.",
        f"ℓ is the {loss} loss of each source's component, the network on it alone, against that"
        f" source{_made_from(ttd)}.",
        "E and Cov are over the pixels of an image.",
        "GEB leaves out the constant of Eq. 4, which is the same for static and dynamic weights:"
        " it tells whether Eq. 5 holds, but an error may exceed it.",
    ]
    if with_truth:
        convex = "" if loss in ("l1", "mse") else f" ({loss} is not)"
        shares = f" That GEB is of the shares, not of what {applied} fused." if is_share else ""
        said.append(
            "To the truth, in luma: the components are held against the ground truth and nothing"
            f" is left out. There no error exceeds GEB if the loss is convex{convex}, the rule the"
            " mean, and the network linear, pixel by pixel, behind its encoder (none here is)."
            + shares
        )
    return " ".join(said)


def _made_from(ttd: dict[str, Any]) -> str:
    """What RD was made from, unless it is ℓ."""
    if ttd["basis"] == "gradient":
        return "; RD itself was made from gradients"
    return "; RD itself was made by comparing the fused image" if ttd["compare"] == "fused" else ""
