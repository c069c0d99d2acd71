import pytest
import torch

from fusionlab.data.defocus import defocus, gaussian_kernel, layered_defocus


@pytest.fixture
def image():
    return torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))


def test_kernel_of_radius_two_worked_out_by_hand():
    assert gaussian_kernel(2) == (5, pytest.approx(0.6 * 4 + 0.8))


def test_an_impulse_shows_the_kernel_of_the_erratum():
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[..., 4, 4] = 1
    weights = torch.exp(-((torch.arange(5) - 2.0) ** 2) / (2 * 3.2**2))
    weights = weights / weights.sum()
    expected = torch.zeros(9, 9)
    expected[2:7, 2:7] = torch.outer(weights, weights)
    torch.testing.assert_close(defocus(impulse, 2)[0, 0], expected)


def test_radius_zero_leaves_the_image(image):
    assert defocus(image[None], 0).equal(image[None])


@pytest.mark.parametrize("radius", [-1, 24])
def test_a_radius_beyond_the_image_is_refused(image, radius):
    with pytest.raises(ValueError, match=rf"radius must lie in 0..23 .*24 x 32, got {radius}"):
        defocus(image[None], radius)


def test_an_even_depth_blurs_evenly(image):
    """aperture 4: plane 1 is in focus, plane 0 is one unit away, plane 0.25 half a unit beyond."""
    depth = torch.ones(1, 24, 32)
    sharp, blurred = layered_defocus(image, depth, planes=(1.0, 0.0), aperture=4)
    torch.testing.assert_close(sharp, image)
    torch.testing.assert_close(blurred, defocus(image[None], 4)[0])
    (half,) = layered_defocus(image, depth, (0.25,), aperture=4, depth_of_field=0.25)
    torch.testing.assert_close(half, defocus(image[None], 2)[0])


def test_a_flat_image_stays_flat_whatever_its_depth():
    flat = torch.full((1, 24, 32), 0.6)
    depth = torch.rand(1, 24, 32, generator=torch.Generator().manual_seed(1))
    sources = layered_defocus(flat, depth, (0.8, 0.2), aperture=8, depth_of_field=0.1, layers=7)
    torch.testing.assert_close(sources, flat.expand(2, -1, -1, -1))


def test_only_a_near_object_spreads_over_its_surroundings():
    """A white object on black: out of focus it bleeds outwards; in focus its outline is exact."""
    object_matte = torch.zeros(1, 24, 32)
    object_matte[:, 8:16, 12:20] = 1
    near, far = layered_defocus(object_matte, object_matte, planes=(1.0, 0.0), aperture=3)
    torch.testing.assert_close(near, object_matte)
    assert (far[0, 8:16, 9:12] > 0).all()
    assert (far[0, :, :9] == 0).all()


def test_the_background_does_not_take_the_colour_of_a_sharp_object():
    """Black around a white object stays black when it is blurred: the lens sees past the object."""
    object_matte = torch.zeros(1, 24, 32)
    object_matte[:, 8:16, 12:20] = 1
    background = torch.rand(1, 24, 32, generator=torch.Generator().manual_seed(2)) * 0.5
    photo = torch.where(object_matte > 0, torch.ones(()), background)
    near, _ = layered_defocus(photo, object_matte, planes=(1.0, 0.0), aperture=3)
    assert near[object_matte == 0].max() < 0.5
    assert near[object_matte == 0].std() < 0.5 * photo[object_matte == 0].std()
