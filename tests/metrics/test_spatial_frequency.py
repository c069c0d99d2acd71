import pytest
import torch

from fusionlab.metrics.spatial_frequency import SpatialFrequency, spatial_frequency

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1.1e-7
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "jileihou_uint8": ("jileihou:uint8", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = SpatialFrequency(convention)
    for case in triples:
        if key in case.published["SF"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["SF"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = SpatialFrequency(convention)
    for case in edge_cases:
        expected = case.published["SF"][key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def test_spatial_frequency_of_a_checkerboard():
    board = 255.0 * (torch.arange(8)[:, None] + torch.arange(9)).remainder(2)[None, None]
    assert spatial_frequency(board).item() == pytest.approx(255 * 2**0.5)


def test_each_direction_is_a_mean_over_its_own_differences():
    image = torch.tensor([[0.0, 3.0, 3.0], [4.0, 3.0, 3.0]])[None, None]
    rows = (9 + 0 + 1 + 0) / 4
    columns = (16 + 0 + 0) / 3
    assert spatial_frequency(image).item() == pytest.approx((rows + columns) ** 0.5)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = spatial_frequency(fused)
    for same in (fused + 9, fused.flip(2), fused.mT):
        torch.testing.assert_close(spatial_frequency(same), value)


def test_both_sums_may_be_divided_by_the_pixels():
    image = torch.tensor([[0.0, 3.0, 3.0], [4.0, 3.0, 3.0]])[None, None]
    expected = ((9 + 1 + 16) / 6) ** 0.5
    assert spatial_frequency(image, divisor="pixels").item() == pytest.approx(expected)


def test_8_bit_arithmetic_loses_falling_steps_and_cuts_squares():
    image = torch.tensor([[0.0, 3.0, 0.0], [20.0, 3.0, 3.0]])[None, None]
    rows = (9 + 0 + 0 + 0) / 4  # 3, -3, -17, 0
    columns = (255 + 0 + 9) / 3  # 20, 0, 3
    value = spatial_frequency(image, saturate=True).item()
    assert value == pytest.approx((rows + columns) ** 0.5)


def test_an_unknown_divisor_is_refused(fused):
    with pytest.raises(ValueError, match="divisor must be differences or pixels, got 'rows'"):
        spatial_frequency(fused, divisor="rows")
    with pytest.raises(ValueError, match=r"image must lie in \[0, 255\]"):
        spatial_frequency(fused + 99, saturate=True)


def test_in_the_unit_range_it_is_255_times_less(fused):
    unit = SpatialFrequency("linfeng_unit_range").score(fused, fused[:, None])
    torch.testing.assert_close(255 * unit, SpatialFrequency("linfeng").score(fused, fused[:, None]))
