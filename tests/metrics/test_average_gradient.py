import pytest
import torch

from fusionlab.metrics.average_gradient import AverageGradient, average_gradient

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1.3e-7
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty:avg_gradient", DOUBLE),
    "thfylsty_averagegradient": ("thfylsty:AverageGradient", DOUBLE),
    "thfylsty_definition": ("thfylsty:Definition", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
    "topanxal_fd": ("topanxal:FD", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = AverageGradient(convention)
    for case in triples:
        if key in case.published["AG"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["AG"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = AverageGradient(convention)
    for case in edge_cases:
        expected = case.published["AG"][key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def test_a_slope_has_the_same_gradient_at_the_border():
    slope = 2 * torch.arange(8.0) + 4 * torch.arange(9.0)[:, None]
    assert average_gradient(slope[None, None]).item() == pytest.approx(10**0.5)  # (4 + 16) / 2


def test_a_line_counts_to_its_left_and_right_only():
    line = torch.tensor([0.0, 0.0, 4.0, 0.0, 0.0]).expand(1, 1, 3, 5)  # gx = 0, 2, 0, -2, 0
    assert average_gradient(line).item() == pytest.approx(2 * 2**0.5 / 5)


def test_an_edge_at_the_border_is_not_halved():
    image = torch.tensor([0.0, 4.0]).expand(1, 1, 2, 2)  # one-sided: gx = 4, 4
    assert average_gradient(image).item() == pytest.approx(8**0.5)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = average_gradient(fused)
    for same in (fused + 9, fused.flip(3), fused.mT):
        torch.testing.assert_close(average_gradient(same), value)


def test_forward_differences_leave_out_the_last_row_and_column():
    image = torch.tensor([[0.0, 6.0, 6.0], [8.0, 8.0, 8.0]])[None, None]
    terms = ((36 + 64) / 2) ** 0.5 + (4 / 2) ** 0.5  # at (0, 0) and (0, 1)
    forward = average_gradient(image, difference="forward", divisor="cells")
    assert forward.item() == pytest.approx(terms / 2)
    assert average_gradient(image, difference="forward").item() == pytest.approx(terms / 6)


def test_an_unknown_option_is_refused(fused):
    with pytest.raises(ValueError, match="difference must be central or forward, got 'sobel'"):
        average_gradient(fused, difference="sobel")
    with pytest.raises(ValueError, match="divisor must be pixels or cells, got 'rows'"):
        average_gradient(fused, divisor="rows")
