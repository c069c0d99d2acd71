import math

import pytest
import torch

from fusionlab.metrics import psnr

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
