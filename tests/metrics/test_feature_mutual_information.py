import json
import math

import pytest
import torch

from fusionlab.metrics.feature_mutual_information import (
    FeatureMutualInformation,
    feature_mutual_information,
)
from fusionlab.metrics.features import FEATURES

SINGLE = 1e-6  # in which it is computed here
PROGRAMS = {
    "paper": "linfeng:gradient",
    "mefb": "linfeng:default_edge",  # the same code
    "linfeng": "linfeng:default_edge",
    "linfeng_none": "linfeng:none",
    "linfeng_gradient": "linfeng:gradient",
    "linfeng_dct": "linfeng:dct",
}


def middle(image, side):
    """The central square that the published values are of."""
    top, left = (max(size - side, 0) // 2 for size in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


@pytest.fixture(scope="session")
def crops(shared, triples):
    """The fused images and sources whose FMI is published, with the values."""
    stored = json.loads((shared / "reference" / "metrics" / "values.json").read_text())["triples"]
    return [
        (middle(case.fused, 32), middle(case.sources, 32), stored[case.name]["metrics_fmi_crop"])
        for case in triples
        if "metrics_fmi_crop" in stored[case.name]
    ]


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, crops):
    metric = FeatureMutualInformation(convention)
    for fused, sources, published in crops:
        expected = published[PROGRAMS[convention]]
        assert metric.score(fused, sources).item() == pytest.approx(expected, rel=SINGLE)


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    metric = FeatureMutualInformation(convention)
    for case in edge_cases:
        fused, sources = middle(case.fused, 24), middle(case.sources, 24)
        expected = case.published["FMI"][PROGRAMS[convention]]
        value = metric.score(fused, sources).item()
        assert value == pytest.approx(expected, rel=SINGLE, abs=1e-6), case.name


def scored(fused, *sources, feature="none"):
    sources = torch.stack([torch.tensor(source) for source in sources])[None, :, None]
    fused = torch.tensor(fused)[None, None]
    return feature_mutual_information(fused, sources, feature=feature).item()


SPIKE = [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
TWO = [[5.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
FLAT = [[7.0] * 3] * 3


def test_equal_windows_score_1_and_so_do_flat_ones():
    assert scored(TWO, TWO) == 1
    assert scored(FLAT, [[8.0] * 3] * 3) == 1


def test_brightness_and_contrast_do_not_matter():
    brighter = [[2 * level + 3 for level in row] for row in TWO]
    # the upper bound is reached: the joint density lies on the diagonal
    assert scored(TWO, brighter) == pytest.approx(1)


def test_a_flat_window_and_a_spike_share_nothing():
    assert scored(FLAT, TWO) == pytest.approx(0, abs=1e-12)
    assert scored(SPIKE, TWO) == pytest.approx(0, abs=1e-12)
    assert scored(SPIKE, [[2 * level for level in row] for row in SPIKE]) == 0


def test_value_worked_out_by_hand():
    other = [[0.0, 5.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    # column by column half at the places 1 and 2, and half at 2 and 4: the vectors correlate by
    # (1/4 - 1/9) / (1/2 - 1/9) = 5/14, the upper bound by 1, and so the joint density is
    # 5/14 on the diagonal of two cells and 9/14 spread over four
    p, q = 5 / 14 / 2 + 9 / 14 / 4, 9 / 14 / 4
    joint = -2 * (p * math.log2(p) + q * math.log2(q))
    assert scored(TWO, other) == pytest.approx(2 - joint)


def test_the_value_is_the_mean_over_windows_and_sources(fused, sources):
    values = [
        feature_mutual_information(fused, source, feature="none")
        for source in sources.split(1, dim=1)
    ]
    expected = sum(values) / 2
    together = feature_mutual_information(fused, sources, feature="none")
    torch.testing.assert_close(together, expected)
    windows = [
        feature_mutual_information(
            fused[..., i : i + 3, j : j + 3], sources[..., i : i + 3, j : j + 3], feature="none"
        )
        for i in range(7)
        for j in range(6)
    ]
    torch.testing.assert_close(together, sum(windows) / 42)


def test_edges_are_thin_lines_at_steps():
    step = torch.zeros(1, 1, 9, 9)
    step[..., 3:] = 10
    step[..., 5:] = 100
    edges = FEATURES["edge"](step)[0, 0]
    assert edges.sum() == 0  # two columns beside the step are equal: neither is a peak
    step[..., 5] = 40
    edges = FEATURES["edge"](step)[0, 0]
    assert edges.nonzero()[:, 1].unique().tolist() == [5]


def test_the_cosine_transform_is_orthonormal(fused):
    transformed = FEATURES["dct"](fused)
    energy = fused.double().square().sum()
    torch.testing.assert_close(transformed.square().sum(), energy)
    flat = FEATURES["dct"](torch.full((1, 1, 4, 5), 3.0))
    assert flat[0, 0, 0, 0].item() == pytest.approx(3 * 20**0.5)
    assert flat.count_nonzero() == 1  # no rounding errors that would pass for a feature


def test_a_larger_window_is_one_window_of_a_small_image(fused):
    image = fused[:1, :, :5, :5]
    value = feature_mutual_information(image, image.mT[:, None], feature="none", window=5)
    assert 0 < value.item() < 1
    with pytest.raises(ValueError, match="FMI needs images of at least 7 x 7 pixels, got 5 x 5"):
        feature_mutual_information(image, image[:, None], window=7)


def test_an_unknown_option_is_refused(fused, sources):
    with pytest.raises(ValueError, match="feature must be none, gradient, edge, dct, got 'wave'"):
        feature_mutual_information(fused, sources, feature="wave")
    for window in (1, 4):
        with pytest.raises(ValueError, match=f"window must be odd and at least 3, got {window}"):
            feature_mutual_information(fused, sources, window=window)


@pytest.mark.parametrize("convention", FeatureMutualInformation.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = FeatureMutualInformation(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    torch.testing.assert_close(torch.cat(members), value, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
