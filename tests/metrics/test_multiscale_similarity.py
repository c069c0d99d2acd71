import pytest
import torch

from fusionlab.metrics.multiscale_similarity import (
    WEIGHTS,
    MultiscaleStructuralSimilarity,
    multiscale_structural_similarity,
)
from fusionlab.metrics.structural_similarity import StructuralSimilarity

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-4  # computed in single precision with constants that are too small; observed 2.9e-5


@pytest.mark.slow
def test_real_images_score_as_piq_says(triples):
    compared = 0
    for case in triples:
        if all(side % 16 == 0 for side in case.fused.shape[-2:]):  # piq pads odd sides with zeros
            value = multiscale_structural_similarity(case.fused, case.sources).item()
            expected = case.published["MS_SSIM"]["piq(A+B)"]
            assert value == pytest.approx(expected, rel=DOUBLE), case.name
            compared += 1
    assert compared >= 10


def check_ivif_zoo(cases):
    metric = MultiscaleStructuralSimilarity("ivif_zoo")
    for case in cases:
        value = metric.score(case.fused, case.sources).item()
        expected = case.published["MS_SSIM"]["ivif_zoo"]
        assert value == pytest.approx(expected, rel=SINGLE), case.name


@pytest.mark.slow
def test_a_few_real_images_score_as_ivif_zoo_says(triples):
    check_ivif_zoo(triples[::6])


@pytest.mark.slow
def test_real_images_score_as_ivif_zoo_says(triples):
    check_ivif_zoo(triples)


@pytest.fixture
def noise():
    return 255 * torch.rand(2, 1, 161, 170, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("convention", MultiscaleStructuralSimilarity.conventions)
def test_identical_images_score_1_each(convention, noise):
    sources = noise[:, None].expand(-1, 3, -1, -1, -1)
    values = MultiscaleStructuralSimilarity(convention).score(noise, sources)
    assert values.tolist() == pytest.approx([3, 3], rel=1e-6)


def test_flat_images_differ_in_luminance_at_the_last_scale_only():
    dark, bright = torch.full((1, 1, 176, 176), 50.0), torch.full((1, 1, 1, 176, 176), 100.0)
    luminance = StructuralSimilarity().score(dark, bright).item()
    value = multiscale_structural_similarity(dark, bright).item()
    assert value == pytest.approx(luminance ** WEIGHTS[-1])


def test_a_negative_image_counts_as_0(noise):
    sources = torch.stack([255 - noise, noise], dim=1)
    assert multiscale_structural_similarity(noise, sources).tolist() == pytest.approx([1, 1])


def test_precision_and_layout_do_not_matter(noise):
    noise = noise.round()
    sources = torch.stack([noise.flip(0), noise.flip(2)], dim=1)
    value = multiscale_structural_similarity(noise.mT.contiguous().mT, sources)
    assert torch.equal(value, multiscale_structural_similarity(noise.double(), sources.double()))


def test_each_image_of_a_batch_has_its_own_value(noise):
    sources = noise.flip(0)[:, None]
    members = [
        multiscale_structural_similarity(noise[i : i + 1], sources[i : i + 1]) for i in (0, 1)
    ]
    torch.testing.assert_close(multiscale_structural_similarity(noise, sources), torch.cat(members))


def test_too_small_images_and_unknown_options_are_refused(noise):
    with pytest.raises(ValueError, match="MS_SSIM needs images of at least 161 x 161 pixels"):
        multiscale_structural_similarity(noise[..., 1:, :], noise[:, None, :, 1:, :])
    with pytest.raises(ValueError, match="odd_sides must be one of repeat, zeros, got crop"):
        multiscale_structural_similarity(noise, noise[:, None], odd_sides="crop")
