import numpy as np
import pytest
import torch

from fusionlab.data.batches import collate
from fusionlab.errors import InputError
from fusionlab.evaluation.conditions import CorruptedDataset
from fusionlab.figures.probes import (
    Box,
    Curve,
    corrupted_rd,
    masked_rd,
    rd_of,
    rd_over_time,
    rd_under,
)
from fusionlab.settings import Corruption


@pytest.fixture
def images():
    found = torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(1))
    return {"vi": found[0], "ir": found[1]}


def test_rd_is_that_of_an_evaluation(fusion):
    batch = collate([fusion.dataset[0]])
    ((evaluated,),) = fusion.fuser.fuse_batch(batch, [fusion.ttd])
    for k, name in enumerate(("vi", "ir")):
        rd = rd_of(fusion.fuse, fusion.images(0), name)
        assert torch.equal(rd, evaluated.rd[k])
        assert rd.std() > 0.01  # else the tests below would prove nothing
    torch.testing.assert_close(evaluated.rd.sum(0), torch.ones(16, 24))


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


def test_a_mask_that_changes_no_pixel_changes_nothing(fuse, images):
    box = Box(6, 4, 18, 12)
    box.of(images["ir"]).fill_(0.25)
    masked = masked_rd(fuse, images, "ir", box, value=0.25)
    assert torch.equal(masked.before, masked.after)
    assert masked.inside[0] == masked.inside[1]


def test_a_mask_acts_near_its_box_only(fuse, images):
    kept = images["vi"].clone()
    masked = masked_rd(fuse, images, "vi", Box(0, 0, 8, 16))
    assert torch.equal(images["vi"], kept)  # the caller's images stay
    assert (masked.source[:, :, :8] == 0).all()
    assert torch.equal(masked.source[:, :, 8:], kept[:, :, 8:])
    changed = (masked.before != masked.after).any(0)
    assert changed[:8].any()
    # IFCNN sees 9 pixels away: 7x7, then three times 3x3, the last of which is 1x1
    torch.testing.assert_close(masked.after[:, 17:], masked.before[:, 17:])
    before, after = masked.inside
    assert before == pytest.approx(masked.before[:, :8].mean().item())
    assert after == pytest.approx(masked.after[:, :8].mean().item())


def test_severity_0_is_the_uncorrupted_rd(fuse, images):
    image, rd = corrupted_rd(fuse, images, "vi", "contrast", 0)
    assert torch.equal(image, images["vi"])
    assert torch.equal(rd, rd_of(fuse, images, "vi"))


def test_corrupted_rd_is_that_of_an_evaluation_under_this_condition(fusion):
    damaged = CorruptedDataset(fusion.dataset, Corruption("gaussian_noise", "vi"), 3)
    expected = fusion.fuse(damaged[2]).rd[0]
    _, rd = corrupted_rd(fusion.fuse, fusion.images(2), "vi", "gaussian_noise", 3, seed=2)
    assert torch.equal(rd, expected)


def test_a_curve_has_a_row_per_image_and_a_column_per_severity(fuse, images):
    samples = [(images, "vi", 0), (images, "ir", 1)]
    curve = rd_under(fuse, samples, "gaussian_noise", (0, 4))
    assert curve.per_image.shape == (2, 2)
    before = [rd_of(fuse, images, name).mean().item() for name in images]
    assert curve.per_image[:, 0].tolist() == before
    after = corrupted_rd(fuse, images, "ir", "gaussian_noise", 4, seed=1)[1].mean().item()
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


def test_means_over_time_are_those_of_each_frame_and_sum_to_one(fuse, images):
    frames = [images, {"vi": images["ir"], "ir": images["vi"]}]
    means = rd_over_time(fuse, frames)
    np.testing.assert_allclose(means.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(means[0], means[1, ::-1], rtol=1e-6)  # the sources changed places
    expected = [rd_of(fuse, images, name).double().mean().item() for name in images]
    assert means[0].tolist() == expected
