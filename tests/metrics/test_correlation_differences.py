import pytest
import torch

from fusionlab.metrics import sum_of_correlations_of_differences as scd


def test_the_sum_of_the_sources_is_the_best(sources):
    assert scd(sources.sum(dim=1), sources).tolist() == pytest.approx([2, 2, 2])


def test_the_negative_of_two_equal_sources_is_the_worst(fused):
    pair = torch.stack([fused, fused], dim=1)
    assert scd(255 - fused, pair).tolist() == pytest.approx([-2, -2, -2])


def test_value_worked_out_by_hand():
    a = torch.tensor([0.0, 0.0, 1.0, 1.0]).view(1, 1, 2, 2)
    b = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 1, 2, 2)  # uncorrelated with a, equal spread
    pair = torch.stack([a, b], dim=1)
    # r(a - b, a) = 1 / sqrt(2), and a - a is constant
    assert scd(a, pair).item() == pytest.approx(0.5**0.5)


def test_correlation_agrees_with_torch(fused, sources):
    a, b = sources[0]
    expected = [
        torch.corrcoef(torch.stack([(fused[0] - other).flatten(), source.flatten()]).double())[0, 1]
        for source, other in ((a, b), (b, a))
    ]
    assert scd(fused[:1], sources[:1]).item() == pytest.approx(sum(expected).item(), rel=1e-12)


def test_brightness_and_contrast_of_a_source_pair_do_not_matter(fused, sources):
    value = scd(fused, sources)
    torch.testing.assert_close(scd(fused / 3 + 20, sources / 3), value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_a_correlation_with_a_constant_image_counts_as_0(fused, shift):
    shifted = (fused / 2 + shift)[:, None].expand(-1, 2, -1, -1, -1)
    # in float32 the difference is constant only up to rounding
    assert scd(fused / 2, shifted).tolist() == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_defined_for_two_sources(fused, count):
    with pytest.raises(ValueError, match=f"SCD is defined for two sources, got {count}"):
        scd(fused, fused[:, None].expand(-1, count, -1, -1, -1))
