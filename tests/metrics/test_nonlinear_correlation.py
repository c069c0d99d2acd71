import math

import numpy as np
import pytest
import torch

from fusionlab.metrics.nonlinear_correlation import NonlinearCorrelation, nonlinear_correlation

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1.4e-7
PROGRAMS = {
    "paper": ("mefb", DOUBLE),
    "mefb": ("mefb", DOUBLE),
    "zhengliu": ("zhengliu", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = NonlinearCorrelation(convention)
    for case in triples:
        if key in case.published["Qncie"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["Qncie"][key], rel=tolerance), case.name


FLAT = {"constant_all_equal_100", "constant_A50_B150_F100", "all_zero", "all_255"}
UNRELATED = 1 - math.log(3, 256)


def by_numpy(case):
    """The form with linear correlation, 0 with a constant image."""
    images = torch.cat([case.sources[0], case.fused]).flatten(1).double().numpy()
    with np.errstate(invalid="ignore"):
        matrix = np.nan_to_num(np.corrcoef(images))
    np.fill_diagonal(matrix, 1)
    share = np.linalg.eigvalsh(matrix) / 3
    share = share[share > 1e-12]
    return 1 + (share * np.log(share)).sum() / math.log(256)


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says_or_as_documented(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = NonlinearCorrelation(convention)
    published = {case.name: case.published["Qncie"][key] for case in edge_cases}
    if convention != "ivif_zoo":  # the program cannot stretch a flat image that is not black
        published["fused_constant_128"] = published["fused_all_zero"]
    for case in edge_cases:
        expected = UNRELATED if case.name in FLAT else published[case.name]
        if not isinstance(expected, float):  # it takes the logarithm of an eigenvalue below 0
            assert convention == "ivif_zoo"
            expected = by_numpy(case)
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance), case.name


def test_value_worked_out_by_hand():
    image = torch.tensor([0.0, 0.0, 255.0, 255.0]).view(1, 1, 2, 2)
    other = torch.tensor([0.0, 255.0, 0.0, 255.0]).view(1, 1, 2, 2)
    pair = torch.stack([image, other], dim=1)
    # one bit in common is 1/8 to base 256: eigenvalues 9/8, 7/8 and 1
    shares = [9 / 24, 7 / 24, 8 / 24]
    expected = 1 + sum(share * math.log(share, 256) for share in shares)
    assert nonlinear_correlation(image, pair).item() == pytest.approx(expected)


def test_linear_correlation_of_identical_images_is_perfect(fused):
    pair = fused[:, None].expand(-1, 2, -1, -1, -1)
    value = nonlinear_correlation(fused, pair, correlation="linear", stretch=False)
    assert value.tolist() == pytest.approx([1, 1, 1])


def test_256_levels_once_each_are_perfectly_correlated():
    image = torch.arange(256.0).view(1, 1, 16, 16)
    pair = torch.stack([image, image.mT], dim=1)
    assert nonlinear_correlation(image, pair).item() == pytest.approx(1)


def test_any_number_of_images_may_be_unrelated(sources):
    flat = torch.zeros(3, 4, 1, 9, 8)
    value = nonlinear_correlation(torch.zeros(3, 1, 9, 8), flat)
    assert value.tolist() == pytest.approx(3 * [1 - math.log(5, 256)])


def test_brightness_and_contrast_do_not_matter_after_stretching(fused, sources):
    value = nonlinear_correlation(fused, sources)
    torch.testing.assert_close(nonlinear_correlation(fused / 2 + 16, sources / 4), value)


def test_an_unknown_correlation_is_refused(fused, sources):
    with pytest.raises(ValueError, match="correlation must be nonlinear or linear, got 'rank'"):
        nonlinear_correlation(fused, sources, correlation="rank")


@pytest.mark.parametrize("convention", NonlinearCorrelation.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = NonlinearCorrelation(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
