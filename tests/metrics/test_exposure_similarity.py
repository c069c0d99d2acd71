import pytest
import torch

from fusionlab.metrics.exposure_similarity import ExposureSimilarity, exposure_similarity

DOUBLE = 1e-8  # stored to 10 digits
PROGRAMS = {
    "paper": "mefb",
    "mefb": "mefb",
    "linfeng": "linfeng:MS_SSIM",
    "thfylsty": "thfylsty:MSSSIM",
    "jileihou": "jileihou:MS_SSIM",
}


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["mefb", "linfeng", "thfylsty"])
def test_real_images_score_as_the_program_says(convention, triples):
    metric = ExposureSimilarity(convention)
    for case in triples:
        expected = case.published["MEF_SSIM"].get(PROGRAMS[convention])
        if expected is not None:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(expected, rel=DOUBLE), case.name


@pytest.mark.slow
@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    metric = ExposureSimilarity(convention)
    for case in edge_cases:
        if min(case.fused.shape[-2:]) < 44:
            with pytest.raises(ValueError, match="MEF_SSIM needs images of at least 44 x 44"):
                metric.score(case.fused, case.sources)
        else:
            value = metric.score(case.fused, case.sources).item()
            expected = case.published["MEF_SSIM"][PROGRAMS[convention]]
            assert value == pytest.approx(expected, rel=DOUBLE, abs=1e-12), case.name


@pytest.fixture
def noise():
    return 255 * torch.rand(3, 1, 45, 47, generator=torch.Generator().manual_seed(5))


def test_the_source_with_contrast_is_the_ideal(noise):
    flat = torch.full_like(noise, 40)
    assert exposure_similarity(noise, torch.stack([flat, noise], dim=1)).tolist() == pytest.approx(
        [1, 1, 1], abs=1e-6
    )


def test_means_do_not_matter_but_contrast_does(noise):
    sources = noise[:, None] / 2
    brighter = exposure_similarity(noise / 2 + 60, sources)
    assert brighter.tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert (exposure_similarity(noise, sources) < 0.9).all()


def test_more_sources_of_the_same_change_nothing(noise):
    twice = noise.flip(0)[:, None].expand(-1, 2, -1, -1, -1)
    four = noise.flip(0)[:, None].expand(-1, 4, -1, -1, -1)
    torch.testing.assert_close(exposure_similarity(noise, twice), exposure_similarity(noise, four))


def test_swapping_the_sources_precision_and_layout_do_not_matter(noise):
    noise = noise.round()
    sources = torch.stack([noise.flip(0), noise.flip(2)], dim=1)
    value = exposure_similarity(noise, sources)
    torch.testing.assert_close(exposure_similarity(noise, sources.flip(1)), value)
    assert torch.equal(exposure_similarity(noise.mT.contiguous().mT, sources.double()), value)
    members = [exposure_similarity(noise[i : i + 1], sources[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(torch.cat(members), value)


def test_the_gradient_of_a_flat_image_is_finite():
    image = torch.full((1, 1, 44, 44), 100.0, requires_grad=True)
    exposure_similarity(image, torch.full((1, 2, 1, 44, 44), 50.0)).sum().backward()
    assert image.grad.isfinite().all()
