import pytest
import torch

from fusionlab.metrics.edge_intensity import EdgeIntensity, edge_intensity

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1e-7
PROGRAMS = {
    "paper": ("opencv:Sobel3_replicate", DOUBLE),
    "ttd": ("skimage:hypot(sobel_h,sobel_v)", DOUBLE),
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = EdgeIntensity(convention)
    for case in triples:
        if key in case.published["EI"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["EI"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = EdgeIntensity(convention)
    for case in edge_cases:
        expected = case.published["EI"][key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def test_one_bright_pixel():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 100
    # around it: four corners of (1, 1) and four sides of 2
    expected = 100 * (4 * 2**0.5 + 4 * 2) / 64
    assert edge_intensity(image).item() == pytest.approx(expected)


def test_a_slope_halves_at_the_replicated_border():
    slope = (4 * torch.arange(52.0)).expand(1, 1, 48, 52)
    assert edge_intensity(slope).item() == pytest.approx(8 * 4 * 51 / 52)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = edge_intensity(fused)
    for same in (fused + 9, fused.flip(3), fused.mT):
        torch.testing.assert_close(edge_intensity(same), value)


def test_zeros_around_the_image_make_its_frame_an_edge():
    image = torch.full((1, 1, 3, 3), 100.0)
    # four corners of (3, 3), four sides of 4, nothing in the middle
    expected = 100 * (4 * 18**0.5 + 4 * 4) / 9
    assert edge_intensity(image, padding="zeros").item() == pytest.approx(expected)
    assert edge_intensity(image).item() == 0


def test_the_scale_is_a_factor(fused):
    torch.testing.assert_close(edge_intensity(fused, scale=0.25), edge_intensity(fused) / 4)


def test_an_unknown_padding_is_refused(fused):
    with pytest.raises(ValueError, match="padding must be replicate or zeros, got 'mirror'"):
        edge_intensity(fused, padding="mirror")
