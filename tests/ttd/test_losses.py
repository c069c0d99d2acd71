import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.registry import TTD_LOSSES
from fusionlab.ttd import PixelLoss, TestTimeDynamicFusion, reconstruction_loss
from tests.ttd.networks import Dim


def pixel(*losses: float) -> Tensor:
    """Images of M sources of one pixel."""
    return torch.tensor(losses).view(1, -1, 1, 1, 1)


def test_l1_is_the_mean_absolute_difference_over_the_channels():
    sources = torch.tensor([0.5, 0.5, 0.5]).view(1, 1, 3, 1, 1)
    components = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 3, 1, 1)
    assert reconstruction_loss(components, sources).item() == pytest.approx(0.2)
    assert reconstruction_loss(components, sources, "l1").item() == pytest.approx(0.2)


def test_mse_is_the_mean_squared_difference_over_the_channels():
    sources = torch.tensor([0.5, 0.5, 0.5]).view(1, 1, 3, 1, 1)
    components = torch.tensor([0.2, 0.5, 0.8]).view(1, 1, 3, 1, 1)
    assert reconstruction_loss(components, sources, "mse").item() == pytest.approx(0.06)


def test_ssim_of_flat_images_by_hand():
    """Without variance SSIM is its luminance term, (2 x y + C1) / (x² + y² + C1)."""
    sources = torch.full((1, 1, 1, 12, 13), 0.5)
    components = torch.full((1, 1, 1, 12, 13), 0.25)
    ssim = (2 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    losses = reconstruction_loss(components, sources, "ssim")
    assert_close(losses, torch.full_like(sources, (1 - ssim) / 2), rtol=0, atol=1e-4)


def test_ssim_agrees_with_scikit_image():
    from skimage.metrics import structural_similarity

    images = torch.rand(2, 40, 37, dtype=torch.float64)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "truncate": 3.5}
    _, expected = structural_similarity(
        *images.numpy(), data_range=1.0, full=True, sigma=1.5, **options
    )
    x, y = images[:, None, None, None]
    losses = reconstruction_loss(x, y, "ssim")
    inner = (slice(5, -5), slice(5, -5))  # borders are continued in another way
    assert_close(losses[0, 0, 0][inner], (1 - torch.from_numpy(expected)[inner]) / 2)


def test_ssim_is_luminance_times_structure():
    """Luminance by SciPy's own Gaussian window."""
    from scipy.ndimage import gaussian_filter

    x, y = torch.rand(2, 1, 1, 1, 40, 37, dtype=torch.float64)
    means = [torch.from_numpy(gaussian_filter(i.numpy()[0, 0, 0], 1.5, radius=5)) for i in (x, y)]
    c1 = 0.01**2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    ssim, structure = (1 - 2 * reconstruction_loss(x, y, loss) for loss in ("ssim", "structure"))
    inner = (slice(5, -5), slice(5, -5))  # borders are continued in another way
    expected = luminance * structure[0, 0, 0]
    assert_close(ssim[0, 0, 0][inner], expected[inner], rtol=0, atol=1e-6)
    assert (luminance < 0.99).any()


def test_structure_is_blind_to_brightness_but_not_to_contrast():
    x, y = torch.rand(2, 1, 2, 3, 20, 17, dtype=torch.float64)
    losses = reconstruction_loss(x, y, "structure")
    assert_close(reconstruction_loss(x + 0.4, y, "structure"), losses)
    assert reconstruction_loss(0.5 * x, x, "structure").mean() > 0.05
    flat = torch.full_like(x, 0.9)  # clipped: nothing of x is left
    assert (reconstruction_loss(flat, x, "structure") > 0.4).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_equal_images_have_no_loss_of_windows(loss, value):
    flat = torch.full((1, 2, 3, 8, 9), value)
    assert torch.equal(reconstruction_loss(flat, flat, loss), torch.zeros(1, 2, 1, 8, 9))
    textured = torch.rand(1, 2, 3, 8, 9)
    assert (reconstruction_loss(textured, textured, loss) <= 1e-6).all()


@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_rounding_of_bright_flat_images_is_small(loss):
    """A variance is little beside the square of a mean."""
    images = 0.9 + torch.randn(2, 1, 2, 1, 40, 50, dtype=torch.float64) / 255
    exact = reconstruction_loss(*images, loss)
    assert_close(reconstruction_loss(*images.float(), loss), exact.float(), rtol=0, atol=2e-6)
    assert exact.mean() > 1e-3


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("loss", ["l1", "mse", "ssim", "structure"])
def test_autocast_changes_no_loss(loss, half):
    components, sources = torch.rand(2, 1, 2, 1, 20, 30)
    expected = reconstruction_loss(components, sources, loss)
    with torch.autocast("cpu", dtype=half):
        assert torch.equal(reconstruction_loss(components, sources, loss), expected)


@pytest.mark.parametrize("loss", ["ssim", "structure"])
def test_images_smaller_than_the_window_are_refused(loss):
    small = torch.rand(1, 2, 1, 5, 40)
    with pytest.raises(InputError, match=rf"{loss} needs .* 6 pixels a side, got 40x5; set ttd"):
        reconstruction_loss(small, small, loss)


def test_a_component_outside_the_range_is_not_clamped():
    assert reconstruction_loss(pixel(1.5, -2.0), pixel(1.0, 0.0)).flatten().tolist() == [0.5, 2.0]


def test_every_pixel_of_every_source_has_its_own_loss():
    components, sources = torch.rand(2, 3, 1, 4, 5), torch.rand(2, 3, 1, 4, 5)
    losses = reconstruction_loss(components, sources)
    assert losses.shape == (2, 3, 1, 4, 5)
    expected = abs(components[1, 2, 0, 3, 4].item() - sources[1, 2, 0, 3, 4].item())
    assert losses[1, 2, 0, 3, 4].item() == pytest.approx(expected)
    colour = reconstruction_loss(components.repeat(1, 1, 3, 1, 1), sources.repeat(1, 1, 3, 1, 1))
    assert_close(colour, losses)


def test_an_unknown_loss_lists_the_known_ones():
    with pytest.raises(InputError, match="'l2'; known: l1, mse, ssim, structure"):
        reconstruction_loss(pixel(1), pixel(1), "l2")


def test_what_the_theorem_and_windows_need_is_declared():
    convex = {name: TTD_LOSSES[name].convex for name in TTD_LOSSES}
    assert convex == {"l1": True, "mse": True, "ssim": False, "structure": False}
    windowed = {name: TTD_LOSSES[name].windowed for name in TTD_LOSSES}
    assert windowed == {"l1": False, "mse": False, "ssim": True, "structure": True}


def test_a_loss_of_ones_own_is_used_by_its_name(monkeypatch):
    """Cubed: 0.4 and 0.8, halved, miss themselves by 0.2 and 0.4."""
    cubed = PixelLoss(lambda images, sources: (images - sources).abs() ** 3)
    monkeypatch.setitem(TTD_LOSSES, "cubed", cubed)
    result = TestTimeDynamicFusion(Dim(), loss="cubed")(pixel(0.4, 0.8))
    assert result.losses.flatten().tolist() == pytest.approx([0.008, 0.064])
