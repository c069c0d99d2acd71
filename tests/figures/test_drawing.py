import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.errors import InputError
from fusionlab.figures.curves import severity, timeline
from fusionlab.figures.drawing import (
    BAR_SPACE,
    DPI,
    GAP,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    columns,
    limit,
    save,
    shorten,
)
from fusionlab.figures.panels import common_scales, masking, panel, side_by_side, strip
from fusionlab.figures.probes import Box, Curve, Masked
from fusionlab.figures.samples import FusedSample
from fusionlab.fusing import Fuser, Picture
from fusionlab.runs.rd_colours import RDScale

SIZE = (16, 24)


def maps(figure, colours="RD"):
    """The maps of a figure in these colours: what they hold."""
    images = [image for axes in figure.axes for image in axes.images]
    return [image for image in images if image.get_cmap().name == colours and image.origin]


def rd_maps(figure):
    """Those of RD, without the picture that a colour bar is made of."""
    return [one for one in maps(figure) if one.get_array().shape == SIZE]


def texts(figure):
    axes = [text.get_text() for one in figure.axes for text in one.texts]
    return [text.get_text() for text in figure.texts] + axes


def bars(figure):
    return [axes for axes in figure.axes if hasattr(axes, "_colorbar")]


@pytest.fixture(scope="module")
def figures(sample):
    """One of each."""
    vi = sample.sources[1]
    masked = Masked(Box(2, 3, 8, 9), vi, *sample.rd)
    curve = Curve((0, 1), np.array([[0.5, 0.4], [0.5, 0.45]]))
    return {
        "panel": panel(sample),
        "strip": strip(sample),
        "side by side": side_by_side([sample, sample]),
        "masking": masking(vi, masked, "vi"),
        "severity": severity([vi, vi], list(sample.rd), curve, "vi", "noise", 2),
        "timeline": timeline(np.full((9, 2), 0.5), ("vi", "ir"), [(0, sample), (8, sample)]),
    }


def labels(figure):
    return [[tick.get_text() for tick in bar.get_yticklabels()] for bar in bars(figure)]


@pytest.mark.slow
def test_rd_is_drawn_as_far_from_one_half_as_it_goes_with_a_colour_bar(figures, sample):
    reach = (sample.rd - 0.5).abs().max().item()
    scale = RDScale(0.5, reach)
    for name, figure in figures.items():
        drawn = rd_maps(figure)
        assert drawn, name
        for one in drawn:
            assert one.get_clim() == pytest.approx((0.5 - reach, 0.5 + reach)), name
            values = np.array([0.5 - reach, 0.5, 0.5 + reach / 4])
            np.testing.assert_allclose(one.norm(values), [0, 0.5, 0.75], atol=1e-6)
        assert [text for _, text in scale.ticks()] in labels(figure), name


def test_the_switch_draws_rd_from_0_to_1(sample):
    vi = sample.sources[1]
    curve = Curve((0, 1), np.array([[0.5, 0.4]]))
    for figure in (
        panel(sample, fixed_scale=True),
        side_by_side([sample], fixed_scale=True),
        masking(vi, Masked(Box(2, 3, 8, 9), vi, *sample.rd), "vi", fixed_scale=True),
        severity([vi, vi], list(sample.rd), curve, "vi", "noise", 2, fixed_scale=True),
        timeline(np.full((1, 2), 0.5), ("vi", "ir"), [(0, sample)], fixed_scale=True),
    ):
        assert {one.get_clim() for one in rd_maps(figure)} == {(0.0, 1.0)}
        assert ["0", "0.375", "0.5", "0.625", "1"] in labels(figure)


def test_a_figure_has_one_scale_and_names_deviations_where_m_differs(sample):
    rd = torch.full((3, *SIZE), 1 / 3)
    rd[0, 0, 0], rd[1, 0, 0] = 0.9, 0.1 / 3
    images = [sample.sources[0]] * 3
    ttd = replace(sample.ttd, rd=rd, losses=rd, source_names=tuple("abc"))
    three = replace(sample, sources=images, components=images, ttd=ttd)
    scales = common_scales([sample, three])
    assert [one.centre for one in scales] == [1 / 2, 1 / 3]
    assert scales[0].reach == scales[1].reach == pytest.approx(0.9 - 1 / 3)
    (shown,) = labels(side_by_side([sample, three]))
    assert shown[2] == "1/M"
    assert shown[4] == "1/M +0.567"


def test_uniform_rd_is_called_so(sample):
    flat = replace(sample, ttd=replace(sample.ttd, rd=torch.full((2, *SIZE), 0.5)))
    assert texts(panel(flat)).count("uniform") == 2
    assert "uniform" not in texts(panel(sample))


def test_figures_fit_a_page(figures):
    for name, figure in figures.items():
        width, height = figure.get_size_inches()
        assert width == PAGE_WIDTH, name
        assert height <= PAGE_HEIGHT, name
        for axes in figure.axes:
            box = axes.get_position()
            assert min(box.x0, box.y0) > -1e-9, name
            assert max(box.x1, box.y1) < 1 + 1e-9, name


def test_images_keep_their_shape(figures):
    for name, figure in figures.items():
        for one in rd_maps(figure):
            box = one.axes.get_position()
            width, height = figure.get_size_inches()
            ratio = box.width * width / (box.height * height)
            assert ratio == pytest.approx(24 / 16), name


def test_the_panel_shows_what_was_computed(sample):
    figure = panel(sample)
    for drawn, rd in zip(rd_maps(figure), sample.rd, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), rd.numpy())
    losses = [one for one in maps(figure, "magma") if one.get_array().shape == SIZE]
    for drawn, loss in zip(losses, sample.losses, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), loss.numpy())
        assert drawn.get_clim() == (0, limit(sample.losses))  # one scale for all sources
    (difference,) = (one for one in maps(figure, "RdBu_r") if one.get_array().shape == SIZE)
    low, high = difference.get_clim()
    assert low == -high < 0
    assert set(texts(figure)) >= {"vi", "ir", "component", "RD ω", "static", "TTD"}
    assert len(bars(figure)) == 3


def test_a_strip_shows_sources_results_and_rd_in_a_row(sample):
    figure = strip(sample)
    names = [*sample.source_names, "static", "TTD", f"RD of {sample.source_names[0]}"]
    assert texts(figure)[: len(names)] == names
    pictures = [axes for axes in figure.axes if axes.images]
    assert np.array_equal(np.asarray(pictures[-1].images[0].get_array()), sample.rd[0].numpy())
    assert len({axes.get_position().y0 for axes in pictures}) == 1
    assert [axes.get_position().x0 for axes in pictures] == sorted(
        axes.get_position().x0 for axes in pictures
    )


def test_the_panel_says_that_the_static_image_is_what_was_compared(sample):
    shown = texts(panel(replace(sample, compare="fused")))
    assert "component" not in shown
    assert shown.count("static") == 2  # the column, and the result below


def test_the_difference_is_in_grey_levels_of_luma(fusion, sample):
    assert sample.difference.abs().max() > 1  # else it would prove nothing
    assert not torch.equal(sample.difference, sample.difference.round())
    levels = sample.ttd.grey.int() - sample.static.grey.int()
    # of RGB both are rounded thrice, and chroma is clamped where the picture is
    inside = ((sample.ttd.fused > 0) & (sample.ttd.fused < 255)).all(0)
    inside &= ((sample.static.fused > 0) & (sample.static.fused < 255)).all(0)
    assert (sample.difference - levels[0])[inside].abs().max() <= 2


def test_the_difference_of_a_stretched_network_is_that_of_what_is_seen(fusion):
    fuser = Fuser(fusion.fuser.network, "vif", stretch=True)
    sample = replace(fusion, fuser=fuser).sample(0)
    for picture in (sample.static, sample.ttd):
        assert picture.output.max() - picture.output.min() != 1
    low, high = sample.ttd.output.min(), sample.ttd.output.max()
    ttd = (sample.ttd.output - low) / (high - low)
    low, high = sample.static.output.min(), sample.static.output.max()
    static = (sample.static.output - low) / (high - low)
    weights = torch.tensor([0.299, 0.587, 0.114])
    expected = 255 * torch.einsum("c,chw->hw", weights, ttd - static)
    torch.testing.assert_close(sample.difference, expected, atol=2e-4, rtol=0)


@pytest.mark.slow
def test_a_panel_of_many_upright_sources_fits_a_page():
    count, image = 5, torch.rand(1, 60, 20)
    many, names = torch.rand(count, 60, 20), tuple("abcde")
    levels = torch.zeros(3, 60, 20, dtype=torch.uint8)
    static = Picture(levels, image, 1.0, names)
    ttd = replace(static, rd=many / 5, losses=many)
    images = [image] * count
    sample = FusedSample("x", "mef", images, "fused", images, static, ttd, image[0])
    assert panel(sample).get_size_inches()[1] == pytest.approx(PAGE_HEIGHT)
    assert side_by_side([sample]).get_size_inches()[1] == pytest.approx(PAGE_HEIGHT)


def test_the_masked_figure_says_the_means(sample):
    flat = torch.full(SIZE, 0.5)
    masked = Masked(Box(2, 3, 8, 9), sample.sources[1], flat, flat - 0.125)
    figure = masking(sample.sources[1], masked, "ir")
    assert "mean RD in the box: 0.5000 → 0.3750 (−0.1250)" in texts(figure)
    (outline,) = figure.axes[0].patches
    assert outline.get_bbox().bounds == (1.5, 2.5, 6, 6)  # edges of pixels 2 and 3
    assert not any("claim" in text for text in texts(figure))


@pytest.mark.slow
def test_what_is_against_the_paper_is_said(sample):
    flat, vi = torch.full(SIZE, 0.5), sample.sources[1]
    figure = masking(vi, Masked(Box(2, 3, 8, 9), vi, flat, flat + 0.125), "ir")
    claim = "RD of a masked region falls (Figure 6)"
    said = f"contradicts the paper's claim that {claim}: here it rises"
    assert said in texts(figure)
    rising = Curve((0, 1), np.array([[0.4, 0.5], [0.45, 0.4]]))
    figure = severity([vi, vi], list(sample.rd), rising, "vi", "noise", 2)
    assert any(text.endswith("gets worse (Figure 7): here it rises") for text in texts(figure))
    assert figure.get_size_inches()[1] <= PAGE_HEIGHT


def test_curves_show_the_values(figures):
    (axes,) = (one for one in figures["severity"].axes if one.get_xlabel())
    mean = axes.lines[-1].get_ydata()
    np.testing.assert_allclose(mean, [0.5, 0.425])
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices[:, 1]
    assert edges.min() == pytest.approx(0.4)
    assert edges.max() == 0.5


@pytest.mark.slow
def test_saved_as_pdf_with_true_type_and_png_of_300_dpi(tmp_path, figures):
    pdf, png = save(figures["masking"], tmp_path / "a.b" / "fig.1")
    assert pdf == tmp_path / "a.b" / "fig.1.pdf"
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content  # an embedded TrueType font
    assert b"/Type3" not in content
    with Image.open(png) as image:
        height = figures["masking"].get_size_inches()[1]
        assert image.size == pytest.approx((PAGE_WIDTH * DPI, height * DPI), abs=1)
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)  # PNG counts per metre
    again, _ = save(figures["masking"], tmp_path / "again")
    assert again.read_bytes() == content


def test_what_cannot_be_written_is_the_users_mistake(tmp_path, figures):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save(figures["masking"], tmp_path / "file" / "figure")


def test_columns_fill_the_page_with_their_bars():
    lefts, width = columns(3, bars={1, 2})
    assert lefts[0] == 0
    assert lefts[1] == pytest.approx(width + GAP)
    assert lefts[2] == pytest.approx(2 * (width + GAP) + BAR_SPACE)
    assert lefts[2] + width + BAR_SPACE == pytest.approx(PAGE_WIDTH)
    lefts, width = columns(2, widest=1)
    assert width == 1
    assert lefts[0] == pytest.approx(PAGE_WIDTH - lefts[1] - 1)  # centred


def test_scales_end_before_the_largest_thousandth():
    values = torch.arange(1001.0)
    assert limit(values) == 999
    assert limit(-values) == 999
    assert limit(torch.zeros(5)) == 1
    assert limit(torch.tensor([0.0] * 5000 + [2.0])) == 2


def test_long_titles_are_cut():
    assert shorten("short", 1) == "short"
    assert shorten("x" * 99, 0.63) == "x" * 9 + "…"


def test_a_bar_is_pointed_where_values_lie_beyond(sample):
    losses = sample.losses.clone()
    losses[0, 0, 0] = 9
    buffer = io.BytesIO()
    figure = panel(replace(sample, ttd=replace(sample.ttd, losses=losses)))
    figure.savefig(buffer, format="png")
    extends = [bar._colorbar.extend for bar in bars(figure)]
    assert extends[0] == "max"
