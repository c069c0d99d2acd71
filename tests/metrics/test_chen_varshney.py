import math

import pytest
import torch

from fusionlab.metrics.chen_varshney import ChenVarshney, chen_varshney
from tests.metrics.conftest import black

PUBLISHED = {"paper": "mefb", "thfylsty": "zhengliu"}  # its file is a copy of zhengliu's


@pytest.fixture(scope="module")
def values(triples):
    return {case.name: chen_varshney(case.fused, case.sources).item() for case in triples}


@pytest.mark.parametrize("name", ChenVarshney.conventions)
def test_real_images_score_as_the_original(name, triples, values):
    assert not ChenVarshney(name).options  # so that ``values`` are theirs
    for case in triples:
        published = case.published["Qcv"]
        expected = published.get(PUBLISHED.get(name, name), published["zhengliu"])  # vifb: a few
        assert values[case.name] == pytest.approx(expected, rel=1e-8), case.name


def test_degenerate_images_score_as_the_original_or_as_black_ones(edge_cases):
    for case in edge_cases:
        value = chen_varshney(case.fused, case.sources).item()
        expected = float(case.published["Qcv"]["mefb"])
        if case.name == "fused_constant_128":  # NaN there, but for black images
            expected = black(edge_cases).published["Qcv"]["mefb"]
        assert value == pytest.approx(expected, rel=1e-8, abs=1e-12, nan_ok=True), case.name


def test_stripes_that_are_shifted_by_a_quarter_of_their_period():
    stripes = 255 * torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(8).expand(1, 1, 16, 32)
    shifted = stripes.roll(1, dims=-1)  # the difference is 255 cos(2π 8 x / 32), but for its sign
    angular = 0.144 * 8 / 4
    response = 2.6 * (0.0192 + angular) * math.exp(-(angular**1.1))
    value = chen_varshney(shifted, stripes.expand(1, 2, 1, 16, 32))
    assert value.item() == pytest.approx((255 * response) ** 2 / 2, rel=1e-12)


def test_a_region_of_noise_outweighs_the_flat_rest():
    generator = torch.Generator().manual_seed(3)
    source, black = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    source[..., 20:28, 20:28] = torch.randint(0, 256, (8, 8), generator=generator).float()
    source[..., 22, 22] = 255
    only_there, elsewhere, there_too = black.clone(), source.clone(), black.clone()
    only_there[..., 40:44, 40:44] = 255  # source lost, and something else added
    elsewhere[..., 40:44, 40:44] = 255  # something added
    there_too[..., 0, 0] = 255  # source lost
    lost = chen_varshney(there_too, source[None]).item()
    assert chen_varshney(only_there, source[None]).item() == pytest.approx(lost, rel=0.05)
    assert chen_varshney(elsewhere, source[None]).item() < 0.05 * lost


def test_identical_images_score_zero_and_a_flat_source_counts_nothing(fused, sources):
    assert not chen_varshney(fused, fused.unsqueeze(1)).any()
    flat = torch.full_like(sources[:, :1], 70)
    value = chen_varshney(fused, sources)
    torch.testing.assert_close(chen_varshney(fused, torch.cat([sources, flat], dim=1)), value)


def test_repeated_and_swapped_sources_change_nothing(fused, sources):
    value = chen_varshney(fused, sources)
    torch.testing.assert_close(chen_varshney(fused, sources.repeat(1, 2, 1, 1, 1)), value)
    assert torch.equal(chen_varshney(fused, sources.flip(1)), value)


def test_range_layout_and_precision_do_not_matter(fused, sources):
    value = chen_varshney(fused, sources)
    assert torch.equal(chen_varshney(fused / 4 + 8, sources / 2), value)
    assert torch.equal(chen_varshney(fused.mT.contiguous().mT, sources.double()), value)
    parts = [chen_varshney(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    torch.testing.assert_close(torch.cat(parts), value, rtol=1e-12, atol=0)


def test_a_wrong_shape_is_refused(fused, sources):
    with pytest.raises(ValueError, match="sources must be"):
        chen_varshney(fused, sources[:1])


def test_a_single_pixel_is_refused():
    with pytest.raises(ValueError, match="Qcv needs images of at least 2 x 2"):
        chen_varshney(torch.zeros(1, 1, 1, 9), torch.zeros(1, 2, 1, 1, 9))
