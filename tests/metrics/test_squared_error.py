import math

import pytest
import torch

from fusionlab.metrics.squared_error import (
    MeanSquaredError,
    PeakSignalNoiseRatio,
    mean_squared_error,
    peak_signal_noise_ratio,
)

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 2e-7
MSE_PROGRAMS = {
    "vifb": ("vifb:Rmse", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
}
PSNR_PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


def image(*levels):
    return torch.tensor(levels, dtype=torch.float64).view(1, 1, 2, 2)


@pytest.mark.parametrize("convention", MSE_PROGRAMS)
def test_the_error_of_real_images_is_what_the_program_says(convention, triples):
    key, tolerance = MSE_PROGRAMS[convention]
    metric = MeanSquaredError(convention)
    for case in triples:
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(case.published["MSE"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", MSE_PROGRAMS)
def test_the_error_of_degenerate_images_is_what_the_program_says(convention, edge_cases):
    key, tolerance = MSE_PROGRAMS[convention]
    metric = MeanSquaredError(convention)
    for case in edge_cases:
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(case.published["MSE"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PSNR_PROGRAMS)
def test_the_ratio_of_real_images_is_what_the_program_says(convention, triples):
    key, tolerance = PSNR_PROGRAMS[convention]
    metric = PeakSignalNoiseRatio(convention)
    for case in triples:
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(case.published["PSNR"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PSNR_PROGRAMS)
def test_the_ratio_of_degenerate_images_is_what_the_program_says(convention, edge_cases):
    key, tolerance = PSNR_PROGRAMS[convention]
    metric = PeakSignalNoiseRatio(convention)
    for case in edge_cases:
        expected = float(case.published["PSNR"][key])
        if math.isnan(expected):  # black, and identical
            assert case.name == "all_zero"
            expected = math.inf
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance), case.name


def test_real_images_score_as_scikit_image_says(triples):
    for case in triples:
        mse, psnr = case.published["MSE"], case.published["PSNR"]
        error = (mse["skimage:A"] + mse["skimage:B"]) / 2
        pair = case.fused, case.sources
        assert mean_squared_error(*pair).item() == pytest.approx(error, rel=DOUBLE)
        ratio = 10 * math.log10(255**2 / error)
        assert peak_signal_noise_ratio(*pair).item() == pytest.approx(ratio, rel=DOUBLE)
        # jileihou takes the mean of two ratios of MATLAB, which are those of scikit-image
        mean = (psnr["skimage:A"] + psnr["skimage:B"]) / 2
        value = PeakSignalNoiseRatio("jileihou").score(*pair).item()
        assert value == pytest.approx(mean, rel=DOUBLE)


def test_values_worked_out_by_hand():
    fused = image(0, 0, 0, 100)
    sources = torch.stack([image(0, 0, 0, 90), image(10, 10, 10, 110)], dim=1)
    pair = fused, sources
    assert mean_squared_error(*pair).item() == pytest.approx((25 + 100) / 2)
    assert mean_squared_error(*pair, unit_range=True).item() == pytest.approx(62.5 / 255**2)
    norms = (10 / 4 + 20 / 4) / 2
    assert mean_squared_error(*pair, error="norm_per_pixel").item() == pytest.approx(norms)

    def decibel(ratio):
        return pytest.approx(10 * math.log10(ratio))

    assert peak_signal_noise_ratio(*pair).item() == decibel(255**2 / 62.5)
    assert peak_signal_noise_ratio(*pair, peak="fused").item() == decibel(100**2 / 62.5)
    assert peak_signal_noise_ratio(*pair, unit_range=True).item() == decibel(255**4 / 62.5)
    by_norm = peak_signal_noise_ratio(*pair, error="norm_per_pixel").item()
    assert by_norm == decibel(255**2 / norms)
    ratios = peak_signal_noise_ratio(*pair, average="ratios").item()
    assert ratios == decibel((255**2 / 25 * 255**2 / 100) ** 0.5)
    ratios = peak_signal_noise_ratio(*pair, average="ratios", peak="source").item()
    assert ratios == decibel((90**2 / 25 * 110**2 / 100) ** 0.5)


def test_the_error_is_the_mean_over_any_number_of_sources(fused, sources):
    three = torch.cat([sources, fused[:, None]], dim=1)
    expected = mean_squared_error(fused, sources) * 2 / 3
    torch.testing.assert_close(mean_squared_error(fused, three), expected)


def test_identical_images_score_infinity_with_gradient_0(fused):
    image = fused.clone().requires_grad_()
    for options in ({}, {"error": "norm_per_pixel"}, {"average": "ratios", "peak": "source"}):
        value = peak_signal_noise_ratio(image, fused[:, None], **options)
        value.sum().backward()
        assert value.tolist() == [math.inf] * 3
        assert image.grad.abs().sum() == 0


def test_an_unknown_option_is_refused(fused, sources):
    with pytest.raises(ValueError, match="error must be mean_square or norm_per_pixel"):
        mean_squared_error(fused, sources, error="absolute")
    with pytest.raises(ValueError, match="average must be errors or ratios"):
        peak_signal_noise_ratio(fused, sources, average="peaks")
    for peak in ("brightest", "source"):
        with pytest.raises(ValueError, match=f"peak must be white, fused or.*; got '{peak}'"):
            peak_signal_noise_ratio(fused, sources, peak=peak)


@pytest.mark.parametrize(
    ("metric", "convention"),
    [
        (metric, convention)
        for metric in (MeanSquaredError, PeakSignalNoiseRatio)
        for convention in metric.conventions
    ],
)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    metric, convention, fused, sources
):
    score = metric(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
