import math

import numpy as np
import pytest
import torch

from fusionlab.metrics import affine_psnr, psnr

FLOAT32 = 1e-6  # torchmetrics takes its constants in single precision


def test_a_tenth_of_the_peak_is_20_db_and_each_image_has_its_own_value():
    reference = torch.full((3, 1, 2, 2), 100.0)
    image = reference + torch.tensor([25.5, 2.55, 0.0]).view(3, 1, 1, 1)
    assert psnr(image, reference).tolist() == pytest.approx([20, 40, math.inf], rel=FLOAT32)


def test_one_wrong_pixel():
    image, reference = torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10)
    image[..., 3, 4] = 255
    assert psnr(image, reference).item() == pytest.approx(20, rel=FLOAT32)


def test_real_images_score_as_scikit_image_says(triples):
    for case in triples:
        for key, source in zip("AB", case.sources.unbind(dim=1), strict=True):
            value = psnr(case.fused, source).item()
            assert value == pytest.approx(case.published["PSNR"][f"skimage:{key}"], rel=FLOAT32)


def test_the_images_must_match():
    with pytest.raises(ValueError, match="image and reference must be the same size"):
        psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))


def test_brightness_is_mapped_by_least_squares_by_hand():
    """Deviations -2 0 2 0 and -2 1 0 1: a is 4/8 and b is 5/2, so that every error is 1."""
    image = torch.tensor([[[[1.0, 3.0], [5.0, 3.0]]]])
    truth = torch.tensor([[[[2.0, 5.0], [4.0, 5.0]]]])
    assert affine_psnr(image, truth).item() == pytest.approx(20 * math.log10(255))


@pytest.mark.parametrize(("a", "b"), [(1.0, 37.0), (0.25, 0.0), (1.75, -20.0), (-1.0, 255.0)])
def test_an_affine_change_of_the_fused_image_changes_nothing(triples, a, b):
    for case in triples:
        truth = case.sources[:, 0]
        before = affine_psnr(case.fused, truth)
        assert affine_psnr(a * case.fused.double() + b, truth).item() == pytest.approx(
            before.item(), abs=1e-9
        )


def test_an_affine_change_of_the_truth_alone_is_perfect(triples):
    for case in triples:
        assert affine_psnr(case.fused, case.fused).item() == math.inf
        assert affine_psnr(0.3 * case.fused.double() + 11, case.fused).item() == math.inf


def test_the_best_map_is_never_behind_no_map_and_no_other_map_is_better(triples):
    torch.manual_seed(0)
    for case in triples:
        truth, best = case.sources[:, 0], affine_psnr(case.fused, case.sources[:, 0])
        assert best > psnr(case.fused, truth) - FLOAT32
        for a, b in zip(torch.rand(20) * 2, torch.randn(20) * 40, strict=True):
            mapped = a.double() * case.fused.double() + b
            assert best > psnr(mapped, truth) - FLOAT32


def test_the_affine_map_is_that_of_numpy(triples):
    for case in triples:
        fused, truth = case.fused[0, 0].double().numpy(), case.sources[0, 0, 0].double().numpy()
        a, b = np.polyfit(fused.ravel(), truth.ravel(), 1)
        expected = 10 * np.log10(255**2 / ((a * fused + b - truth) ** 2).mean())
        value = affine_psnr(case.fused, case.sources[:, 0]).item()
        assert value == pytest.approx(expected, rel=1e-9)


def test_a_flat_image_is_mapped_to_the_mean_and_each_image_has_its_own_map():
    truth = torch.tensor([0.0, 51.0]).repeat(2, 1, 2, 1)
    image = torch.stack([torch.full((1, 2, 2), 9.0), 255 - truth[1]])
    assert affine_psnr(image, truth).tolist() == [pytest.approx(20), math.inf]
