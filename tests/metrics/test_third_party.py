"""Metrics beside implementations of other people, on scikit-image's pictures, in every clone.

Not here, since we know no kept library that has them and copies no toolbox: TE, QNCIE,
FMI, Q_SF, Qabf, Labf, Nabf, MEF_SSIM, Qs, Qw, Qe, Qc, Qy, VIFF, Qp, Qcb and Qcv. Nor MS_SSIM, since
torchmetrics pads the images, and piq, with which values are stored, has had no release since 2023.
"""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage, special, stats
from skimage import data, filters, measure, metrics
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score
from torchmetrics.functional.image import visual_information_fidelity

from fusionlab.metrics import open_metrics

DOUBLE = 1e-9  # both compute in double precision
SINGLE = 1e-5  # torchmetrics takes its windows in single precision


def pictures() -> list[np.ndarray]:
    """A photograph's green, its red, moved, and a fused picture of both, (96, 104) each."""
    picture = data.astronaut()[40:136, 160:264]
    vi, ir = picture[..., 1], np.roll(picture[..., 0], 3, axis=0)
    fused = (0.6 * vi + 0.4 * ndimage.gaussian_filter(ir, 1.5)).round().astype(np.uint8)
    return [one.astype(float) for one in (vi, ir, fused)]


VI, IR, FUSED = pictures()


def ours(form: str) -> float:
    (metric,) = open_metrics(names=[form])
    vi, ir, fused = (torch.from_numpy(one)[None, None] for one in (VI, IR, FUSED))
    return metric.score(fused, torch.stack([vi, ir], dim=1)).item()


def both(function) -> float:
    """Sum over the sources of what a library says of each with the fused picture."""
    return sum(float(function(source, FUSED)) for source in (VI, IR))


def shares(image: np.ndarray) -> np.ndarray:
    return np.bincount(image.astype(int).ravel(), minlength=256) / image.size


def levels(function):
    """The same of a function that takes labels."""
    return lambda one, other: function(one.ravel().astype(int), other.ravel().astype(int))


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    return stats.pearsonr(one.ravel(), other.ravel()).statistic


def divergence(source: np.ndarray, fused: np.ndarray) -> float:
    p, q = shares(source), shares(fused)
    return special.rel_entr(p, q)[(p > 0) & (q > 0)].sum() / np.log(2)


def sobel(image: np.ndarray, border: int) -> np.ndarray:
    steps = (cv2.Sobel(image, cv2.CV_64F, *order, borderType=border) for order in ((1, 0), (0, 1)))
    return np.hypot(*steps)


def similarity(**options):
    return lambda one, other: metrics.structural_similarity(one, other, data_range=255, **options)


def torch_fidelity(source: np.ndarray, fused: np.ndarray) -> torch.Tensor:
    given = (torch.from_numpy(image)[None, None] for image in (fused, source))
    return visual_information_fidelity(*given)


GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
BY_LIBRARIES = {
    "EN": lambda: measure.shannon_entropy(FUSED.astype(np.uint8), base=2),
    "CE:ttd": lambda: both(
        lambda one, other: -(special.xlogy(shares(one), shares(other) + 1e-7)).sum() / np.log(4)
    ),
    "CE:vifb": lambda: both(divergence) / 2,
    "MI": lambda: both(levels(mutual_info_score)) / np.log(2),
    "MI:cddfuse": lambda: both(levels(mutual_info_score)),
    "NMI": lambda: both(levels(normalized_mutual_info_score)),
    "NMI:jileihou": lambda: both(
        lambda one, other: metrics.normalized_mutual_information(one, other, bins=256)
    ),
    "SD": lambda: cv2.meanStdDev(FUSED)[1].item(),
    "CC": lambda: both(pearson) / 2,
    "SCD": lambda: pearson(FUSED - IR, VI) + pearson(FUSED - VI, IR),
    "MSE": lambda: both(metrics.mean_squared_error) / 2,
    "PSNR": lambda: 10 * np.log10(255**2 / (both(metrics.mean_squared_error) / 2)),
    "AG": lambda: np.sqrt(sum(one**2 for one in np.gradient(FUSED)) / 2).mean(),
    "EI": lambda: sobel(FUSED, cv2.BORDER_REPLICATE).mean(),
    "EI:ivif_zoo": lambda: sobel(FUSED, cv2.BORDER_CONSTANT).mean(),
    "EI:ttd": lambda: np.hypot(filters.sobel_h(FUSED), filters.sobel_v(FUSED)).mean(),
    "SF": lambda: np.sqrt(
        sum((ndimage.correlate1d(FUSED, [-1, 1], k)[cut] ** 2).mean() for k, cut in CUTS)
    ),
    "SSIM:ttd": lambda: both(similarity()),
    "SSIM:vifb": lambda: both(similarity(**GAUSSIAN)),
    "VIF": lambda: both(torch_fidelity),
}
CUTS = ((0, np.s_[1:]), (1, np.s_[:, 1:]))
LOOSE = {"VIF": SINGLE}


@pytest.mark.parametrize("form", BY_LIBRARIES)
def test_a_library_says_the_same(form):
    assert ours(form) == pytest.approx(BY_LIBRARIES[form](), rel=LOOSE.get(form, DOUBLE))
