import pytest
import torch
from skimage.metrics import structural_similarity as skimage_similarity

from fusionlab.metrics import structural_similarity, structural_similarity_to_sources


def test_identical_images_score_1_each(fused):
    assert structural_similarity(fused, fused).tolist() == pytest.approx([1, 1, 1])
    threefold = fused[:, None].expand(-1, 3, -1, -1, -1)
    assert structural_similarity_to_sources(fused, threefold).tolist() == pytest.approx([3, 3, 3])


def test_flat_images_differ_in_luminance_only():
    dark, bright = torch.full((1, 1, 8, 8), 50.0), torch.full((1, 1, 8, 8), 100.0)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert structural_similarity(dark, bright).item() == pytest.approx(expected)


def test_one_window_worked_out_from_its_covariance_matrix(fused, sources):
    x, y = fused[:1, :, :7, :7].double(), sources[:1, 0, :, :7, :7].double()
    (xx, xy), (_, yy) = torch.cov(torch.stack([x.flatten(), y.flatten()])).tolist()
    mx, my = x.mean().item(), y.mean().item()
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * mx * my + c1) * (2 * xy + c2) / (mx**2 + my**2 + c1) / (xx + yy + c2)
    assert structural_similarity(x, y).item() == pytest.approx(expected)


def test_it_is_that_of_scikit_image(fused, sources):
    values = structural_similarity(fused, sources[:, 0]).tolist()
    expected = [
        skimage_similarity(x[0].double().numpy(), y[0].double().numpy(), data_range=255)
        for x, y in zip(fused, sources[:, 0], strict=True)
    ]
    assert values == pytest.approx(expected, rel=1e-9)


def test_the_sources_are_summed_and_image_and_reference_may_be_swapped(fused, sources):
    a, b = sources.unbind(dim=1)
    expected = structural_similarity(a, fused) + structural_similarity(b, fused)
    torch.testing.assert_close(structural_similarity_to_sources(fused, sources), expected)
