"""Our values of published pictures beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusionlab.runs.run import Run
from replication.galleries import Gallery
from replication.sheets import Place


@dataclass(frozen=True)
class Pair:
    """One value of one picture.

    Args:
        metric: Its name in the publication.
        form: Ours, ``NAME:convention``.
        method: Who fused the picture.
        sample: The name of the sample.
        published: Theirs.
        ours: Ours.
    """

    metric: str
    form: str
    method: str
    sample: str
    published: float
    ours: float

    @property
    def difference(self) -> float:
        """Without sign; 0 if both are NaN or the same infinity, infinite if only one is."""
        if self.published == self.ours or (math.isnan(self.published) and math.isnan(self.ours)):
            return 0.0
        difference = abs(self.ours - self.published)
        return math.inf if math.isnan(difference) else difference

    def agrees(self, digits: int) -> bool:
        """Whether ours, rounded to so many digits that count, is the published value."""
        if self.published == 0 or not math.isfinite(self.published):
            return self.difference < 10.0**-digits
        unit = 10.0 ** (math.floor(math.log10(abs(self.published))) + 1 - digits)
        return self.difference <= unit / 2 * (1 + 1e-6)  # ours may lie halfway itself


@dataclass(frozen=True)
class Agreement:
    """A metric of a collection in one of our forms.

    Args:
        pairs: At least one.
        pictures: How many pictures were scored.
        digits: That count.
    """

    pairs: list[Pair]
    pictures: int
    digits: int

    @property
    def agreeing(self) -> int:
        """How many values agree to all digits."""
        return sum(one.agrees(self.digits) for one in self.pairs)

    @property
    def worst(self) -> Pair:
        """The value with the largest difference."""
        return max(self.pairs, key=lambda one: one.difference)


def compared(gallery: Gallery, run: Run) -> list[Agreement]:
    """Every published value of a picture that was scored, by metric and form."""
    ours = {(method, one.id): own for one in run.samples for method, own in one.values.items()}
    pictures = len(pictures_of(run))
    found = []
    for metric, forms in gallery.layout.metrics.items():
        for form in forms:
            pairs = [*_pairs(gallery, metric, form, ours)]
            if pairs:
                found.append(Agreement(pairs, pictures, gallery.layout.digits))
    return found


def pictures_of(run: Run) -> set[Place]:
    """The fused pictures that were scored, by method and sample."""
    fused = {method.name for method in run.methods if method.is_fused}
    return {(name, one.id) for one in run.samples for name in one.values if name in fused}


def not_scored(gallery: Gallery, run: Run) -> int:
    """How many published values are of pictures that were not scored."""
    scored = pictures_of(run)
    return sum(place not in scored for own in gallery.published.values.values() for place in own)


def _pairs(
    gallery: Gallery, metric: str, form: str, ours: Mapping[Place, Mapping[str, float]]
) -> Iterator[Pair]:
    column = gallery.columns[form]
    for place, published in gallery.published.values.get(metric, {}).items():
        if place in ours:
            yield Pair(metric, form, *place, published, ours[place][column])
