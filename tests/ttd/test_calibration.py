from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.fusing import CALIBRATION_SAMPLES, Fuser
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.ttd import (
    Encoded,
    TestTimeDynamicFusion,
    automatic_temperature,
    calibrate,
    channel_scores,
    generalisation_bound,
    relative_dominability,
)
from fusionlab.ttd.calibration import FACTOR, best_channel, image_temperatures
from tests.ttd.networks import Halves, Smooth, TwoBranches


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
    rd = relative_dominability(losses, image_temperatures(losses))
    scaled = relative_dominability(scale * losses, image_temperatures(scale * losses))
    assert torch.equal(scaled, rd)


@pytest.mark.parametrize("form", ["exp", "linear", "sigmoid"])
@pytest.mark.parametrize("correlation", ["negative", "positive"])
@pytest.mark.parametrize("scale", [1e-20, 0.003, 255.0, 1e20])
def test_units_do_not_matter(scale, correlation, form):
    losses = torch.rand(2, 3, 1, 6, 7)
    rd, scaled = (
        relative_dominability(x, image_temperatures(x), form=form, correlation=correlation)
        for x in (losses, scale * losses)
    )
    assert_close(scaled, rd)
    assert rd.std() > 1e-3  # and they say something
    assert automatic_temperature([scale * losses]) * scale == pytest.approx(
        automatic_temperature([losses])
    )


def test_flat_regions_do_not_matter():
    """A black background of any size changes neither γ nor the RD of what it surrounds."""
    losses = torch.rand(1, 2, 1, 6, 7)
    framed = torch.nn.functional.pad(losses, (40, 40, 40, 40))
    assert_close(image_temperatures(framed), image_temperatures(losses))
    assert automatic_temperature([framed]) == pytest.approx(automatic_temperature([losses]))


def test_without_loss_rd_is_uniform():
    losses = torch.rand(2, 3, 1, 4, 5)
    losses[1] = 0
    temperatures = image_temperatures(losses)
    assert temperatures[1].item() == 0
    rd = relative_dominability(losses, temperatures)
    assert torch.equal(rd[1], torch.full((3, 1, 4, 5), 1 / 3))
    assert automatic_temperature([losses[1:]]) == automatic_temperature([]) == 0


def test_a_batch_has_the_temperatures_of_its_members():
    losses = torch.rand(3, 2, 1, 6, 7)
    alone = torch.cat([image_temperatures(one) for one in losses.split(1)])
    assert_close(image_temperatures(losses), alone)


def samples(network, count: int = 2) -> list[Encoded]:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.rand(1, 2, 1, 8, 10, generator=generator) for _ in range(count)]
    return [Encoded(network, batch) for batch in batches]


def test_the_channel_that_the_loss_pulls_at_is_chosen():
    """Channel 1 of Halves has no gradient: its RD is uniform, its covariance is 0."""
    network = Halves()
    settings = TTD(basis="gradient", loss="mse", channel="auto", temperature="auto")
    dynamic = TestTimeDynamicFusion(network, settings)
    scores = channel_scores(dynamic, samples(network))
    assert scores[0] < -1e-4
    assert scores[1] == pytest.approx(0, abs=1e-9)
    assert calibrate(dynamic, samples(network)).channel == 0


@pytest.mark.parametrize("make", [Smooth, TwoBranches])
@pytest.mark.parametrize("loss", ["l1", "structure"])
def test_the_channel_is_the_one_with_the_most_negative_covariance(loss, make):
    """Through all branches: the mean covariance of what is fused with that channel."""
    torch.manual_seed(0)
    network = make()
    batches = samples(network, 3)
    options = {"basis": "gradient", "loss": loss, "temperature": 20.0}
    settings = TTD(**options, channel="auto")
    scores = channel_scores(TestTimeDynamicFusion(network, settings), batches)
    assert len(scores) == 3
    for channel, score in enumerate(scores):
        dynamic = TestTimeDynamicFusion(network, TTD(**options, channel=channel))
        results = [dynamic.fuse(batch) for batch in batches]
        bounds = [generalisation_bound(r.rd, r.losses) for r in results]
        expected = torch.cat([bound.covariances for bound in bounds]).mean()
        assert score == pytest.approx(expected.item(), rel=1e-4, abs=1e-9)
    chosen = calibrate(TestTimeDynamicFusion(network, settings), batches)
    assert chosen == TTD(**options, channel=scores.index(min(scores)))


def test_an_automatic_temperature_scores_each_channel_with_that_of_its_image():
    torch.manual_seed(0)
    network = Smooth()
    (batch,) = samples(network, 1)
    automatic = TTD(basis="gradient", channel="auto", temperature="auto")
    scores = channel_scores(TestTimeDynamicFusion(network, automatic), [batch])
    for channel, score in enumerate(scores):
        settings = TTD(basis="gradient", channel=channel, temperature="auto")
        settings = calibrate(TestTimeDynamicFusion(network, settings), [batch])
        result = TestTimeDynamicFusion(network, settings).fuse(batch)
        expected = generalisation_bound(result.rd, result.losses).covariances.mean()
        assert score == pytest.approx(expected.item(), rel=1e-4, abs=1e-9)


def test_of_equal_channels_the_first_is_chosen():
    assert best_channel([0.0, -0.5, -0.25, -0.5]) == 1


def test_batches_do_not_matter():
    torch.manual_seed(0)
    network = Smooth()
    dynamic = TestTimeDynamicFusion(network, basis="gradient", channel="auto", temperature="auto")
    batches = samples(network)
    together = Encoded(network, torch.cat([batch.sources for batch in batches]))
    assert_close(channel_scores(dynamic, [together]), channel_scores(dynamic, batches))
    one, other = calibrate(dynamic, [together]), calibrate(dynamic, batches)
    assert one.channel == other.channel
    assert one.temperature == pytest.approx(other.temperature)


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [TTD("structure"), TTD(temperature="auto"), TTD(basis="gradient", temperature="auto")],
    ids=["structure", "l1", "gradient"],
)
def test_a_temperature_is_that_of_the_losses_of_all_samples(settings):
    torch.manual_seed(0)
    network = create_network("ifcnn", rule="max")
    batches = samples(network, 3)
    dynamic = TestTimeDynamicFusion(network, settings)
    chosen = calibrate(dynamic, batches)
    expected = automatic_temperature([dynamic.criterion(batch) for batch in batches])
    assert chosen.temperature == expected > 0
    gain = "largest" if settings.gain == "auto" else settings.gain
    assert chosen.options() == {**settings.options(), "temperature": expected, "gain": gain}
    assert not chosen.needs_calibration


@torch.no_grad()
def test_the_temperature_is_that_of_the_chosen_channel():
    torch.manual_seed(0)
    network = Smooth()
    both = TTD(basis="gradient", channel="auto", temperature="auto")
    chosen = calibrate(TestTimeDynamicFusion(network, both), samples(network))
    alone = TTD(basis="gradient", channel=chosen.channel, temperature="auto")
    assert chosen == calibrate(TestTimeDynamicFusion(network, alone), samples(network))


@pytest.mark.parametrize("settings", [TTD("paper"), TTD("authors", basis="gradient", channel=1)])
def test_settings_with_numbers_stay_as_they_are(settings):
    dynamic = TestTimeDynamicFusion(Smooth(), settings)
    assert calibrate(dynamic, []) == settings


@pytest.mark.parametrize("choice", [{"temperature": "auto"}, {"channel": "auto"}], ids=str)
def test_nothing_to_calibrate_on_is_refused(choice):
    dynamic = TestTimeDynamicFusion(Smooth(), basis="gradient", **choice)
    with pytest.raises(ValueError, match="chosen on at least one sample"):
        calibrate(dynamic, [])


class Noise(FusionDataset):
    """Samples of random pairs, by their seeds."""

    def __init__(self, seeds: list[int]) -> None:
        super().__init__("noise", "mff")
        self.seeds, self.ids = seeds, [f"{seed:02}" for seed in seeds]
        self.source_names = [("near", "far")] * len(seeds)
        self.sizes = [(8, 10)] * len(seeds)

    def images(self, index: int) -> tuple[list[Tensor], None]:
        generator = torch.Generator().manual_seed(self.seeds[index])
        return list(torch.rand(2, 1, 8, 10, generator=generator)), None

    def describe(self) -> dict[str, Any]:
        return {}


BOTH = TTD(basis="gradient", channel="auto", temperature="auto")


def test_a_data_set_is_calibrated_on_its_first_samples_whatever_follows():
    torch.manual_seed(0)
    fuser, first = Fuser(Smooth().eval(), "mff"), list(range(CALIBRATION_SAMPLES))
    expected = fuser.calibrate(Noise(first), BOTH)
    for later in ([], *permutations([4, 5, 6])):
        assert fuser.calibrate(Noise([*first, *later]), BOTH) == expected
    other = fuser.calibrate(Noise([7, *first]), BOTH)
    assert other.temperature != expected.temperature


def test_calibrated_settings_fuse_a_sample_alike_in_any_order():
    torch.manual_seed(0)
    fuser, dataset = Fuser(Smooth().eval(), "mff"), Noise([0, 1, 2, 3, 4, 5])
    settings = fuser.calibrate(dataset, BOTH)
    forth = [fuser(dataset[index], settings).rd for index in range(6)]
    back = [fuser(dataset[index], settings).rd for index in reversed(range(6))]
    assert all(map(torch.equal, forth, reversed(back)))


def test_a_sample_alone_is_calibrated_on_itself():
    torch.manual_seed(0)
    fuser, dataset = Fuser(Smooth().eval(), "mff"), Noise([0, 1])
    alone = fuser(dataset[1], BOTH)
    settings = fuser.calibrate(Noise([1]), BOTH)
    assert torch.equal(alone.rd, fuser(dataset[1], settings).rd)
    assert not torch.equal(alone.rd, fuser(dataset[1], fuser.calibrate(dataset, BOTH)).rd)


def test_components_without_a_gradient_cannot_choose_a_channel():
    network = create_network("piafusion")
    dynamic = TestTimeDynamicFusion(network, basis="gradient", channel="auto")
    batch = Encoded(network, torch.rand(1, 2, 1, 8, 8))
    with pytest.raises(InputError, match=r"set ttd\.compare to fused, or ttd\.basis to loss"):
        calibrate(dynamic, [batch])
