import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from fusionlab.losses.sobel import edge_loss, sobel_magnitude


def test_a_ramp_by_hand():
    ramp = torch.arange(5.0).repeat(4, 1)[None, None]  # rises by 1 per pixel, to the right
    magnitude = sobel_magnitude(ramp)
    # inside 4 · 2 across and nothing down
    assert magnitude[0, 0, 1:-1, 1:-1].unique().tolist() == [8]
    # top left: 2·1 + 1·1 across, and down 2·0 + 1·1
    assert magnitude[0, 0, 0, 0] == 3 + 1


def test_the_border_of_a_flat_image_is_an_edge():
    magnitude = sobel_magnitude(torch.ones(1, 1, 4, 4))[0, 0]
    assert magnitude.tolist() == [[6, 4, 4, 6], [4, 0, 0, 4], [4, 0, 0, 4], [6, 4, 4, 6]]


def test_a_batch_against_correlation_with_the_kernels():
    images = torch.rand(3, 1, 9, 7, dtype=torch.float64)
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = [
        abs(correlate2d(image, kernel, "same")) + abs(correlate2d(image, kernel.T, "same"))
        for image in images[:, 0].numpy()
    ]
    assert sobel_magnitude(images)[:, 0].numpy() == pytest.approx(np.stack(expected), abs=1e-12)


def test_edges_are_compared_with_the_strongest_of_the_sources():
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    sources, fused = torch.stack([ramp, 3 * ramp, 2 * ramp], 1), 2.5 * ramp
    difference = sobel_magnitude(3 * ramp) - sobel_magnitude(fused)
    assert edge_loss(fused, sources).item() == pytest.approx(difference.mean().item())
