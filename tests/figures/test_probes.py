import numpy as np
import pytest
import torch

from fusionlab.data.batches import collate
from fusionlab.errors import InputError
from fusionlab.figures.probes import (
    Box,
    Curve,
    corrupted_dominability,
    dominability,
    dominability_over_time,
    dominability_under,
    masked_dominability,
)


@pytest.fixture
def sources():
    return torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(1))


def test_dominability_is_that_of_an_evaluation(module, dynamic, dataset):
    evaluated = module.fuse(collate([dataset[0]]))[2].weights[0, :, 0]
    weights = dominability(dynamic, dataset[0]["sources"])
    assert torch.equal(weights, evaluated)
    torch.testing.assert_close(weights.sum(0), torch.ones(16, 24))
    assert weights.std() > 0.01  # else the tests below would prove nothing


def test_a_box_in_pixels_and_in_fractions():
    assert Box.within([6, 4, 18, 12], 16, 24) == Box(6, 4, 18, 12)
    assert Box.within([0.25, 0.25, 0.75, 0.75], 16, 24) == Box(6, 4, 18, 12)
    assert Box.within([0, 0, 1, 1], 16, 24) == Box(0, 0, 24, 16)
    image = torch.arange(12).reshape(1, 3, 4)
    assert Box(1, 0, 3, 2).of(image).tolist() == [[[1, 2], [5, 6]]]


@pytest.mark.parametrize(
    "values", [[0, 0, 25, 16], [5, 5, 5, 9], [0.2, 0.2, 0.8], [-1, 0, 4, 4], [0.5, 0.5, 0.5, 0.5]]
)
def test_a_box_outside_or_empty_is_refused(values):
    with pytest.raises(InputError, match="inside 24x16 pixels"):
        Box.within(values, 16, 24)


def test_a_mask_that_changes_no_pixel_changes_nothing(dynamic, sources):
    box = Box(6, 4, 18, 12)
    box.of(sources[1]).fill_(0.25)
    masked = masked_dominability(dynamic, sources, 1, box, value=0.25)
    assert torch.equal(masked.before, masked.after)
    assert masked.inside[0] == masked.inside[1]


def test_a_mask_acts_near_its_box_only(dynamic, sources):
    kept = sources.clone()
    masked = masked_dominability(dynamic, sources, 0, Box(0, 0, 8, 16))
    assert torch.equal(sources, kept)  # the caller's images stay
    assert (masked.source[:, :, :8] == 0).all()
    assert torch.equal(masked.source[:, :, 8:], sources[0, :, :, 8:])
    changed = (masked.before != masked.after).any(0)
    assert changed[:8].any()
    # IFCNN sees 9 pixels away: 7x7, then three times 3x3, the last of which is 1x1
    torch.testing.assert_close(masked.after[:, 17:], masked.before[:, 17:])
    before, after = masked.inside
    assert before == pytest.approx(masked.before[:, :8].mean().item())
    assert after == pytest.approx(masked.after[:, :8].mean().item())


def test_severity_0_is_the_uncorrupted_dominability(dynamic, sources):
    image, weights = corrupted_dominability(dynamic, sources, 0, "contrast", 0)
    assert torch.equal(image, sources[0])
    assert torch.equal(weights, dominability(dynamic, sources)[0])


def test_a_curve_has_a_row_per_image_and_a_column_per_severity(dynamic, sources):
    curve = dominability_under(dynamic, [(sources, 0), (sources, 1)], "noise", (0, 4))
    assert curve.per_image.shape == (2, 2)
    before = dominability(dynamic, sources).mean((1, 2))
    np.testing.assert_array_equal(curve.per_image[:, 0], before.numpy())
    after = corrupted_dominability(dynamic, sources, 1, "noise", 4)[1].mean().item()
    assert curve.per_image[1, 1] == after != curve.per_image[1, 0]


def test_the_band_is_that_of_the_mean_over_images():
    curve = Curve((0, 1), np.array([[0.4, 0.5], [0.6, 0.5]]))
    mean, low, high = curve.band()
    np.testing.assert_allclose(mean, [0.5, 0.5])
    # a quarter of all resamples of two images take the smaller one twice
    np.testing.assert_allclose(low, [0.4, 0.5])
    np.testing.assert_allclose(high, [0.6, 0.5])
    mean, low, high = Curve((0,), np.array([[0.4]])).band()
    assert mean == 0.4
    assert np.isnan([low, high]).all()


def test_means_over_time_are_those_of_each_frame_and_sum_to_one(dynamic, sources):
    frames = [sources, sources.flip(0)]
    means = dominability_over_time(dynamic, frames)
    np.testing.assert_allclose(means.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(means[0], means[1, ::-1], rtol=1e-6)  # the sources changed places
    expected = dominability(dynamic, sources).double().mean((1, 2))
    np.testing.assert_array_equal(means[0], expected.numpy())
