"""Average precision and overlap over images, each image counted as often as its weight says.

Whole weights of 1 give what COCO's evaluation gives; other weights are resamples of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

OVERLAPS = np.linspace(0.5, 0.95, 10)  # least overlap (IoU) of a box that counts as found
RECALLS = np.linspace(0, 1, 101)
SCORES = np.linspace(0, 1, 1001)
RESAMPLES = 1_000  # of the images; each needs the whole evaluation
DETECTION = ("P", "R", "mAP50", "mAP50-95")
OVERLAP = "mIoU"


@dataclass(frozen=True)
class Matches:
    """What a detector found of one class in N images, matched with the truth image by image.

    Args:
        images: Number of the image of each of n boxes, (n,).
        scores: How sure the detector is, (n,).
        hits: Whether it is an object, by :data:`OVERLAPS`, (10, n).
        ignored: Whether it counts neither way, (10, n).
        objects: Objects that are to be found in each image, (N,).
    """

    images: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    objects: np.ndarray

    def ordered(self) -> Matches:
        """The same, the surest first."""
        order = np.argsort(-self.scores, kind="mergesort")  # as COCO: equal ones by image
        return Matches(
            self.images[order],
            self.scores[order],
            self.hits[:, order],
            self.ignored[:, order],
            self.objects,
        )


def detection_values(
    classes: Mapping[str, Matches], weights: np.ndarray
) -> dict[str, dict[str, float]]:
    """P, R, mAP50 and mAP50-95 of each class that has objects, and under "" their means.

    Convention: AP is the mean of the precision at 101 recalls, interpolated, of at most 100 boxes
    in an image (COCO). P and R are at overlap 0.5 and the score, one for all classes, whose mean F1
    over the classes is highest (as Ultralytics have it).

    Args:
        classes: What was found, ordered, by the name of the class.
        weights: How often each image counts, (N,).

    Returns:
        NaN where no class has an object.
    """
    curves = {name: _Curve(one, weights) for name, one in classes.items()}
    curves = {name: one for name, one in curves.items() if one.objects}
    if not curves:
        return {"": dict.fromkeys(DETECTION, float("nan"))}
    at = np.mean([one.f1 for one in curves.values()], axis=0).argmax()
    found = {name: one.values(int(at)) for name, one in curves.items()}
    mean = np.mean([list(values.values()) for values in found.values()], axis=0)
    return {"": dict(zip(DETECTION, map(float, mean), strict=True)), **found}


class _Curve:
    """Precision and recall of one class.

    Args:
        found: What was found, ordered.
        weights: How often each image counts, (N,).
    """

    def __init__(self, found: Matches, weights: np.ndarray) -> None:
        counted = weights[found.images] * ~found.ignored
        self.objects = float((weights * found.objects).sum())
        self.right = (counted * found.hits).cumsum(1)
        self.wrong = (counted * ~found.hits).cumsum(1)
        # boxes at least as sure as each score of the grid
        kept = np.searchsorted(-found.scores, -SCORES, side="right")
        right = np.concatenate([[0.0], self.right[0]])[kept]
        wrong = np.concatenate([[0.0], self.wrong[0]])[kept]
        every = right + wrong
        self.precision = np.divide(right, every, out=np.ones_like(every), where=every > 0)
        self.recall = right / self.objects if self.objects else np.full_like(right, np.nan)
        self.f1 = 2 * right / (every + self.objects) if self.objects else np.zeros_like(right)

    def values(self, at: int) -> dict[str, float]:
        """P and R at a score of the grid, AP50 and AP50-95."""
        average = self._average_precision()
        numbers = (self.precision[at], self.recall[at], average[0], average.mean())
        return dict(zip(DETECTION, map(float, numbers), strict=True))

    def _average_precision(self) -> np.ndarray:
        """By overlap, (10,)."""
        if not self.right.shape[1]:
            return np.zeros(len(OVERLAPS))
        every = self.right + self.wrong
        precision = np.divide(self.right, every, out=np.zeros_like(every), where=every > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.concatenate([envelope, np.zeros((len(envelope), 1))], axis=1)
        recall = self.right / self.objects
        places = [np.searchsorted(row, RECALLS, side="left") for row in recall]
        return np.array([row[place].mean() for row, place in zip(padded, places, strict=True)])


def overlap_values(counts: np.ndarray, names: list[str], weights: np.ndarray) -> dict[str, float]:
    """IoU of each class that some pixel has or was given, and under "" their mean.

    Args:
        counts: Pixels that are rightly given a class, wrongly given it, and missed, of N images
            and K classes, (N, K, 3).
        names: Of the classes.
        weights: How often each image counts, (N,).

    Returns:
        NaN where no class has a pixel.
    """
    sums = np.tensordot(weights, counts, axes=(0, 0))
    union = sums.sum(1)
    found = {name: float(sums[k, 0] / union[k]) for k, name in enumerate(names) if union[k] > 0}
    mean = float(np.mean(list(found.values()))) if found else float("nan")
    return {"": mean, **found}


def resample_weights(images: int, seed: int = 0) -> np.ndarray:
    """How often each image comes in each of :data:`RESAMPLES` draws with replacement, (B, N).

    The draws depend on nothing but the number of images, so that methods are paired.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, images, (RESAMPLES, images))
    return np.stack([np.bincount(one, minlength=images) for one in drawn]).astype(float)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of resampled values; NaN if fewer than two are defined."""
    defined = values[~np.isnan(values)]
    if defined.size < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, (2.5, 97.5))
    return float(low), float(high)


def resampled(
    value: Callable[[np.ndarray], dict[str, float]], weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The values of every resample, by name, (B,); NaN where a resample lacks it."""
    rows = [value(one) for one in weights]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
