"""Which colour an RD has."""

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.runs.rd_colours import ENDS, GREY, HATCH, STEPS, RDScale, palette
from fusionlab.ttd import relative_dominability

BLUE, NEUTRAL, RED = ([int(end[k : k + 2], 16) for k in (1, 3, 5)] for end in ENDS)


def random_rd(sources, seed=0):
    torch.manual_seed(seed)
    return relative_dominability(torch.rand(1, sources, 1, 9, 11))[0, :, 0]


def test_one_over_m_is_neutral_and_the_largest_deviation_has_the_full_colour():
    scale = RDScale.of(2, torch.tensor([[0.5, 0.4], [0.5, 0.6]]))
    assert scale.reach == pytest.approx(0.1)
    colours = scale.colours(torch.tensor([[0.4, 0.5, 0.6, 0.475, 0.525]]))[0].tolist()
    assert colours[:3] == [BLUE, NEUTRAL, RED]
    half = [np.add(NEUTRAL, end) / 2 for end in (BLUE, RED)]  # of a quarter of the deviation
    shade = np.abs(np.subtract(NEUTRAL, [BLUE, RED])).max() / STEPS
    assert np.abs(np.subtract(colours[3:], half)).max() <= shade


@pytest.mark.parametrize("sources", [2, 3, 5])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_sides_of_one_over_m_mirror_each_other(sources, fixed):
    scale = RDScale.of(sources, random_rd(sources), fixed)
    deviation = torch.linspace(0, scale.reach, 50)
    above, below = (scale.shades(scale.centre + sign * deviation).int() for sign in (1, -1))
    assert torch.equal(above - STEPS, STEPS - below)
    assert (above.diff() >= 0).all()
    assert above[-1] == 2 * STEPS


@pytest.mark.parametrize("sources", [2, 3, 5])
def test_the_scale_is_that_of_all_sources_and_no_value_lies_beyond(sources):
    rd = random_rd(sources)
    scale = RDScale.of(sources, rd)
    assert scale.centre == pytest.approx(1 / sources)
    assert scale.reach == pytest.approx((rd - 1 / sources).abs().max().item(), abs=1e-6)
    low, high = scale.ends
    assert low <= rd.min().item() + 1e-6
    assert high >= rd.max().item() - 1e-6
    assert 0 <= low < high <= 1


def test_two_sources_have_opposite_colours():
    scale = RDScale.of(2, rd := random_rd(2))
    one, other = (scale.shades(map_).int() for map_ in rd)
    assert (one + other - 2 * STEPS).abs().max() <= 1


@pytest.mark.parametrize(("sources", "ends"), [(2, (0, 1)), (4, (0, 1)), (1, (0, 1))])
def test_the_fixed_scale_goes_from_0_to_1(sources, ends):
    scale = RDScale.of(sources, [torch.tensor([0.4, 0.6])], fixed=True)
    assert scale.ends == pytest.approx(ends)
    assert scale.contrast == 1


def test_less_contrast_is_the_picture_of_the_fixed_scale():
    """What the report's switch does to the colours of a file."""
    rd = random_rd(2)[0]
    scale, fixed = RDScale.of(2, [rd]), RDScale.of(2, [rd], fixed=True)
    paler = NEUTRAL + scale.contrast * (scale.colours(rd) - np.array(NEUTRAL, float))
    step = np.abs(np.subtract(NEUTRAL, [BLUE, RED])).max() / STEPS
    assert np.abs(paler - fixed.colours(rd)).max() <= step
    assert scale.contrast == pytest.approx((scale.reach / 0.5) ** 0.5)


@pytest.mark.parametrize("sources", [1, 2, 3, 7])
def test_uniform_rd_is_hatched_and_called_so(sources):
    rd = relative_dominability(torch.full((1, sources, 1, 40, 50), 0.3))[0, :, 0]
    scale = RDScale.of(sources, rd)
    assert scale.is_uniform(rd[0])
    assert scale.legend(rd[0].min().item(), rd[0].max().item()) == "uniform"
    colours = {tuple(one) for one in scale.colours(rd[0]).reshape(-1, 3).tolist()}
    assert colours == {tuple(NEUTRAL), GREY}
    assert (scale.colours(rd[0])[:, 0] == GREY).all(1).nonzero()[0].tolist() == [0, 16, 32]
    assert HATCH == 16


def test_rd_that_differs_anywhere_is_not_called_uniform():
    rd = torch.full((2, 8, 8), 0.5)
    rd[0, 3, 4], rd[1, 3, 4] = 0.50001, 0.49999
    scale = RDScale.of(2, rd)
    assert not scale.is_uniform(rd[0])
    assert scale.colours(rd[0])[3, 4].tolist() == RED
    assert scale.legend(0.5, 0.50001) == "0.500000 ± 0.000010"


def test_of_the_numbers_in_a_file_comes_the_same_scale():
    rd = random_rd(3)
    lines = {
        str(k): {"low": one.min().item(), "high": one.max().item()} for k, one in enumerate(rd)
    }
    assert RDScale.of_numbers(lines) == RDScale.of(3, rd)


def test_ticks_name_the_ends_the_half_colours_and_the_middle():
    assert [text for _, text in RDScale.between(2, 0.454, 0.54).ticks()] == [
        *("0.454", "0.4885", "0.5", "0.5115", "0.546")
    ]
    assert [text for _, text in RDScale.between(2, 0, 1).ticks()] == [
        "0",
        "0.375",
        "0.5",
        "0.625",
        "1",
    ]
    values, texts = zip(*RDScale.between(3, 0.1, 0.9).ticks(relative=True), strict=True)
    assert texts == ("1/M −0.333", "1/M −0.142", "1/M", "1/M +0.142", "1/M +0.567")
    assert values[0] == 0  # no RD is below 0, so neither is the bar


@pytest.mark.parametrize(("sources", "low", "high"), [(2, 0.4, 0.6), (3, 0.1, 0.9)])
def test_the_bar_has_the_colours_of_the_values_at_its_ticks(sources, low, high):
    scale = RDScale.between(sources, low, high)
    bar = np.asarray(scale.bar(4, 301)).astype(int)
    least, largest = scale.ends
    for row, value in ((0, largest), (-1, least)):
        expected = palette(127)[scale.shades(torch.tensor(value), 127).item()]
        assert bar[row, 0].tolist() == expected.tolist()
    assert (bar == bar[:, :1]).all()
    assert (np.abs(bar[:, 0] - NEUTRAL).sum(1) == 0).any()
    assert Image.fromarray(bar.astype(np.uint8)).size == scale.bar(4, 301).size
