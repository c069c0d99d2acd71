import pytest
import torch
from skimage.metrics import structural_similarity as skimage_similarity
from torch.nn.functional import pad

from fusionlab.metrics.structural_similarity import (
    StructuralSimilarity,
    structural_similarity,
    structural_similarity_to_sources,
)

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 3.3e-7
PROGRAMS = {
    "paper": ("skimage:gauss11_L255(A+B)", DOUBLE),
    "ttd": ("skimage:uniform7_L255(A+B)", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}
# flat or contrary images, which ivif_zoo rates by rounding that depends on PyTorch's
# convolution for that size
ROUNDED = 1e-3
NOISE = {"constant_A50_B150_F100", "fused_constant_128", "ramp_F"}


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = StructuralSimilarity(convention)
    for case in triples:
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(case.published["SSIM"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", ["vifb", "cddfuse", "ivif_zoo", "topanxal"])
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = StructuralSimilarity(convention)
    for case in edge_cases:
        if min(case.fused.shape[-2:]) < metric.minimum_size:
            with pytest.raises(ValueError, match="SSIM needs images of at least 11 x 11"):
                metric.score(case.fused, case.sources)
        elif convention != "ivif_zoo" or case.name not in NOISE:
            value = metric.score(case.fused, case.sources).item()
            expected = case.published["SSIM"][key]
            bound = ROUNDED if convention == "ivif_zoo" else tolerance
            assert value == pytest.approx(expected, rel=bound, abs=1e-10), case.name


def test_the_ttd_convention_takes_smaller_images_than_the_paper():
    sizes = {"paper": 11, "ttd": 7, "cddfuse": 7, "topanxal": 11}
    assert {key: StructuralSimilarity(key).minimum_size for key in sizes} == sizes


def test_identical_images_score_1_each(fused):
    assert structural_similarity(fused, fused).tolist() == pytest.approx([1, 1, 1])
    threefold = fused[:, None].expand(-1, 3, -1, -1, -1)
    assert structural_similarity_to_sources(fused, threefold).tolist() == pytest.approx([3, 3, 3])


def test_flat_images_differ_in_luminance_only():
    dark, bright = torch.full((1, 1, 8, 8), 50.0), torch.full((1, 1, 8, 8), 100.0)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert structural_similarity(dark, bright).item() == pytest.approx(expected)


def test_one_window_worked_out_from_its_covariance_matrix(fused, sources):
    x, y = fused[:1, :, :7, :7].double(), sources[:1, 0, :, :7, :7].double()
    (xx, xy), (_, yy) = torch.cov(torch.stack([x.flatten(), y.flatten()])).tolist()
    mx, my = x.mean().item(), y.mean().item()
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * mx * my + c1) * (2 * xy + c2) / (mx**2 + my**2 + c1) / (xx + yy + c2)
    assert structural_similarity(x, y).item() == pytest.approx(expected)


def test_it_is_that_of_scikit_image(fused, sources):
    values = structural_similarity(fused, sources[:, 0]).tolist()
    expected = [
        skimage_similarity(x[0].double().numpy(), y[0].double().numpy(), data_range=255)
        for x, y in zip(fused, sources[:, 0], strict=True)
    ]
    assert values == pytest.approx(expected, rel=1e-9)


def test_the_sources_are_summed_and_image_and_reference_may_be_swapped(fused, sources):
    a, b = sources.unbind(dim=1)
    expected = structural_similarity(a, fused) + structural_similarity(b, fused)
    torch.testing.assert_close(structural_similarity_to_sources(fused, sources), expected)
    mean = structural_similarity_to_sources(fused, sources, reduction="mean")
    torch.testing.assert_close(mean, expected / 2)


@pytest.mark.parametrize(("border", "mode"), [("zero", "constant"), ("replicate", "replicate")])
def test_a_border_is_an_image_continued(border, mode, fused, sources):
    larger = [pad(x, (3, 3, 3, 3), mode=mode) for x in (fused, *sources.unbind(dim=1))]
    expected = structural_similarity_to_sources(larger[0], torch.stack(larger[1:], dim=1))
    value = structural_similarity_to_sources(fused, sources, border=border)
    torch.testing.assert_close(value, expected)


def test_a_matlab_convention_is_half_the_sum_over_replicated_borders(edge_cases):
    case = edge_cases[-1]
    larger = [
        pad(x, (5, 5, 5, 5), mode="replicate") for x in (case.fused, *case.sources.unbind(dim=1))
    ]
    whole = StructuralSimilarity("vifb").score(larger[0], torch.stack(larger[1:], dim=1))
    value = StructuralSimilarity("jileihou").score(case.fused, case.sources)
    torch.testing.assert_close(value, whole / 2)


def test_a_gain_is_a_smaller_range(fused, sources):
    louder = structural_similarity_to_sources(fused, sources, gain=255)
    torch.testing.assert_close(
        structural_similarity_to_sources(fused, sources, data_range=1), louder
    )


@pytest.mark.parametrize(
    ("option", "value"), [("window", "triangle"), ("border", "mirror"), ("reduction", "max")]
)
def test_an_unknown_option_lists_the_known_ones(option, value, fused, sources):
    with pytest.raises(ValueError, match=f"{option} must be one of .*, got {value}"):
        structural_similarity_to_sources(fused, sources, **{option: value})
