import pytest
import torch
from torch.testing import assert_close

from fusionlab.ttd import automatic_temperature, image_temperatures, relative_dominability
from fusionlab.ttd.temperature import FACTOR


def test_one_image_by_hand():
    """Losses 1, 3, 0 and 0: c (1 + 3) / (1 + 9)."""
    losses = torch.tensor([1.0, 3.0, 0.0, 0.0]).view(1, 2, 1, 1, 2)
    assert image_temperatures(losses).item() == pytest.approx(FACTOR * 0.4)
    assert automatic_temperature([losses]) == pytest.approx(FACTOR * 0.4)


def test_many_images_share_one_temperature():
    """c (1 + 3 + 2) / (1 + 9 + 4), whatever their sizes and batches."""
    first = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)
    second = torch.tensor([0.0, 2.0, 0.0, 0.0]).view(1, 2, 1, 1, 2)
    assert automatic_temperature([first, second]) == pytest.approx(FACTOR * 6 / 14)
    assert automatic_temperature([torch.cat([first, first])]) == pytest.approx(FACTOR * 0.4)


def test_a_constant_loss_has_its_inverse():
    losses = torch.full((2, 3, 1, 4, 5), 0.02)
    assert_close(image_temperatures(losses), torch.full((2, 1, 1, 1, 1), FACTOR * 50))
    assert automatic_temperature([losses]) == pytest.approx(FACTOR * 50)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**20])
def test_powers_of_two_leave_rd_as_it_is_bit_for_bit(scale):
    losses = torch.rand(2, 3, 1, 6, 7)
    weights = relative_dominability(losses, image_temperatures(losses))
    scaled = relative_dominability(scale * losses, image_temperatures(scale * losses))
    assert torch.equal(scaled, weights)


@pytest.mark.parametrize("form", ["exp", "linear", "sigmoid"])
@pytest.mark.parametrize("correlation", ["negative", "positive"])
@pytest.mark.parametrize("scale", [1e-20, 0.003, 255.0, 1e20])
def test_units_do_not_matter(scale, correlation, form):
    losses = torch.rand(2, 3, 1, 6, 7)
    weights, scaled = (
        relative_dominability(x, image_temperatures(x), form=form, correlation=correlation)
        for x in (losses, scale * losses)
    )
    assert_close(scaled, weights)
    assert weights.std() > 1e-3  # and they say something


def test_flat_regions_do_not_matter():
    """A black background of any size changes neither γ nor the weights of what it surrounds."""
    losses = torch.rand(1, 2, 1, 6, 7)
    framed = torch.nn.functional.pad(losses, (40, 40, 40, 40))
    assert_close(image_temperatures(framed), image_temperatures(losses))


def test_without_loss_weights_are_uniform():
    losses = torch.rand(2, 3, 1, 4, 5)
    losses[1] = 0
    temperatures = image_temperatures(losses)
    assert temperatures[1].item() == 0
    weights = relative_dominability(losses, temperatures)
    assert torch.equal(weights[1], torch.full((3, 1, 4, 5), 1 / 3))
    assert automatic_temperature([losses[1:]]) == automatic_temperature([]) == 0


def test_a_batch_has_the_temperatures_of_its_members():
    losses = torch.rand(3, 2, 1, 6, 7)
    alone = torch.cat([image_temperatures(one) for one in losses.split(1)])
    assert_close(image_temperatures(losses), alone)
