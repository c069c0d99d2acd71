import numpy as np
import pytest
import torch

from fusionlab.data import synthetic_pairs
from fusionlab.data.crops import PhotographCrops
from fusionlab.data.synthetic_pairs import exposure_pair, focus_pair, sensor_pair


@pytest.fixture
def photo():
    return torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pair", [exposure_pair, focus_pair])
def test_two_8_bit_sources_and_a_truth_in_range(photo, pair):
    for seed in range(20):
        sources, truth = pair(photo, np.random.default_rng(seed))
        assert sources.shape == (2, 1, 48, 48)
        assert truth.shape == (1, 48, 48)
        assert sources.dtype == truth.dtype == torch.float32
        assert torch.equal((255 * sources).round() / 255, sources)
        assert 0 <= truth.min() <= truth.max() <= 1


def test_under_even_light_the_truth_lies_between_the_exposures(photo, monkeypatch):
    monkeypatch.setattr(synthetic_pairs, "EVEN_LIGHT", 1.0)
    monkeypatch.setattr(synthetic_pairs, "EXPOSURE_NOISE", 0.0)
    for seed in range(20):
        sources, truth = exposure_pair(photo, np.random.default_rng(seed))
        level = 0.5 / 255 + 1e-6
        assert (sources.amin(0) - level <= truth).all()
        assert (truth <= sources.amax(0) + level).all()


def test_under_uneven_light_each_place_is_right_in_one_exposure(photo, monkeypatch):
    """Where the light is strong the under-exposure shows the photograph, in the shade the other."""
    monkeypatch.setattr(synthetic_pairs, "EVEN_LIGHT", 0.0)
    monkeypatch.setattr(synthetic_pairs, "EXPOSURE_NOISE", 0.0)
    monkeypatch.setattr(
        synthetic_pairs, "uneven_light", lambda photo, rng: torch.where(photo > 0.5, 99.0, -99.0)
    )
    for seed in range(10):
        sources, truth = exposure_pair(photo, np.random.default_rng(seed))
        assert (sources - truth).abs().amin(0).max() < 1 / 255
        assert (sources - truth).abs().amax(0).mean() > 0.1


def test_one_of_the_sources_is_sharp_everywhere(photo):
    for seed in range(20):
        sources, truth = focus_pair(photo, np.random.default_rng(seed))
        errors = (sources - truth).abs()
        assert errors.amin(0).median() < 0.02
        assert errors.mean((1, 2, 3)).amax() > 0.02


def test_crops_of_pairs_come_in_both_orders(photo, monkeypatch):
    monkeypatch.setattr(synthetic_pairs, "EVEN_LIGHT", 1.0)
    crops = PhotographCrops([photo], 32, exposure_pair, length=60)
    darker_first = sum(bool(a.mean() < b.mean()) for a, b in (one["sources"] for one in crops))
    assert 15 < darker_first < 45


def test_two_sensors_differ_and_only_noise_and_levels_are_taken_away():
    photo = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    for seed in range(20):
        sources, seen = sensor_pair(photo, np.random.default_rng(seed))
        assert sources.shape == seen.shape == (2, 1, 48, 48)
        assert torch.equal((255 * sources).round() / 255, sources)
        assert 0 <= seen.min() <= seen.max() <= 1
        assert (sources - seen).abs().max() < 6 * synthetic_pairs.SENSOR_NOISE + 1 / 255
        assert (seen[0] - seen[1]).abs().mean() > 0.02
