"""What the contract leaves open, by networks made for it: coarse features, tokens, structures."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.networks import FusionNetwork, scale_features
from fusionlab.settings import TTD
from fusionlab.ttd import Encoded, TestTimeDynamicFusion, calibrate
from tests.networks import contract


def mean(features: Tensor, gain: Tensor | None) -> Tensor:
    return sum(scale_features(features, gain)) / features.shape[1]


class Coarse(FusionNetwork):
    """One feature for each square of some pixels, also where the last square is cut off.

    Args:
        stride: Side of the square.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.encoder = nn.Conv2d(1, 6, stride, stride)
        self.decoder = nn.Conv2d(6, 1, 3, padding=1)

    def encode(self, sources: Tensor) -> Tensor:
        images = sources.flatten(0, 1)
        height, width = images.shape[2:]
        filled = F.pad(images, (0, -width % self.stride, 0, -height % self.stride))
        return self.encoder(filled).tanh().unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return mean(features, gain)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return self.decoder(F.interpolate(combined, sources.shape[3:]))


class Padded(Coarse):
    """The same, given images that are padded by 3 pixels and to whole squares of 4."""

    padding, size_multiple, reduction = 3, 4, 4

    def __init__(self) -> None:
        super().__init__(4)

    def encode(self, sources: Tensor) -> Tensor:
        assert [size % 4 for size in sources.shape[3:]] == [0, 0]
        return super().encode(sources)


class Tokens(FusionNetwork):
    """A vision transformer of one layer on patches of 4x4 pixels."""

    size_multiple = reduction = 4
    padding_mode = "replicate"

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.project = nn.Linear(8, 16)

    def encode(self, sources: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(sources.flatten(0, 1), 4).flatten(2).mT
        return self.layer(self.embed(patches)).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return mean(features, gain)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        height, width = (size // 4 for size in sources.shape[3:])
        return F.pixel_shuffle(self.project(combined).mT.unflatten(2, (height, width)), 4)


class Structured(FusionNetwork):
    """A dictionary of a pyramid, a list of maps of three sizes, and of tokens, in a tuple."""

    size_multiple = 4

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.embed = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(16, 4)
        self.output = nn.Conv2d(16, 1, 1)

    def encode(self, sources: Tensor) -> dict[str, Any]:
        images = sources.flatten(0, 1)
        fine = self.fine(images)
        maps = [fine, F.avg_pool2d(fine, 2), F.max_pool2d(fine, 4)]
        tokens = self.embed(F.pixel_unshuffle(images, 4).flatten(2).mT)
        shape = sources.shape[:2]
        return {
            "maps": [one.unflatten(0, shape) for one in maps],
            "tokens": (tokens.unflatten(0, shape),),
        }

    def combine(self, features: dict[str, Any], gain: Tensor | None = None) -> dict[str, Any]:
        return {
            "maps": [mean(one, gain) for one in features["maps"]],
            "tokens": (mean(features["tokens"][0], gain),),
        }

    def decode(self, combined: dict[str, Any], sources: Tensor) -> Tensor:
        size = sources.shape[3:]
        tokens = combined["tokens"][0].mT.unflatten(2, [side // 4 for side in size])
        maps = [F.interpolate(one, size) for one in (*combined["maps"], tokens)]
        return self.output(torch.cat(maps, 1)).sigmoid()


class TaskAware(FusionNetwork):
    """Brighter features on medical images, in components too."""

    uses_task = True
    tasks = ("vif", "mif")

    def encode(self, sources: Tensor, task: str | None = None) -> Tensor:
        return sources * (3 if task == "mif" else 1)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return mean(features, gain)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined.square()

    def components(self, features: Tensor, sources: Tensor, task: str | None = None) -> Tensor:
        return features.square() + (1 if task == "mif" else 0)


MAKERS = {
    "stride 1": lambda: Coarse(1),
    "stride 2": lambda: Coarse(2),
    "stride 4": lambda: Coarse(4),
    "padded": Padded,
    "tokens": Tokens,
    "structured": Structured,
    "task": TaskAware,
}
SIZES = [(17, 23), (8, 12), (5, 4), (2, 7)]


@pytest.fixture(params=MAKERS)
def network(request) -> FusionNetwork:
    torch.manual_seed(0)
    return MAKERS[request.param]().eval()


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_uniform_rd_is_the_static_network_bit_for_bit(size, network):
    for count in contract.COUNTS:
        sources = contract.make_sources(network, count, size)
        for half in (None, torch.bfloat16, torch.float16):
            contract.assert_uniform_rd_is_static(network, sources, half)
    contract.assert_uniform_rd_is_static(network.train(), sources)


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_rest_of_the_contract(size, network):
    sources = contract.make_sources(network, 3, size)
    contract.assert_rd_matters(network, sources)
    contract.assert_a_batch_is_its_members(network, sources)
    contract.assert_sources_and_features_stay(network, sources)
    contract.assert_order_does_not_matter(network, sources)
    if not isinstance(network, TaskAware):
        contract.assert_components_are_the_network_alone(network, sources)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("basis", ["loss", "gradient"])
def test_ttd_gives_everything_the_size_of_the_sources(basis, size, network):
    sources = contract.make_sources(network, 3, size)
    encoded = Encoded(network, sources, contract.task_of(network))
    for compare in ("components", "fused"):
        settings = TTD(basis=basis, compare=compare, loss="mse", temperature="auto")
        settings = calibrate(TestTimeDynamicFusion(network, settings), [encoded])
        result = TestTimeDynamicFusion(network, settings).fuse(encoded)
        assert result.fused.shape == (2, 1, *size)
        assert result.components.shape == sources.shape
        assert result.rd.shape == result.losses.shape == (2, 3, 1, *size)
        assert_close(result.rd.sum(1), torch.ones(2, 1, *size))
        assert result.rd.std() > 1e-3


@torch.no_grad()
def test_a_coarse_feature_is_scaled_by_the_mean_gain_of_its_square():
    """Features are means of 2x2 pixels, decoded to the mean of the sources; by hand."""
    network = Coarse(2)
    network.encode = lambda x: F.avg_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])
    network.decode = lambda combined, sources: F.interpolate(combined, sources.shape[3:])
    sources = torch.tensor([0.5, 1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 2, 4)
    first = torch.tensor([[1.0, 0.5, 0.5, 0.5], [0.0, 0.5, 0.25, 0.75]])
    rd = torch.stack([first, 1 - first])[None, :, None]
    # means of RD: 1/2 and 1/2 for both; of the gain, twice RD, 1 and 1
    assert_close(network(sources, rd), torch.full((1, 1, 2, 4), 0.75))
    rd[0, :, 0, :, :2] = torch.tensor([1.0, 0.0])[:, None, None]
    assert network(sources, rd)[0, 0].tolist() == [[0.5, 0.5, 0.75, 0.75]] * 2


@torch.no_grad()
def test_padding_reflects_before_and_behind_and_rd_with_it():
    """13x10, padded by 3, is 19x16; the multiple of 4 takes another row below."""
    network, image = Padded(), torch.rand(1, 2, 1, 13, 10)
    padded = network.pad(image)
    assert padded.shape == (1, 2, 1, 20, 16)
    assert torch.equal(network.crop(padded, image), image)
    assert torch.equal(padded[0, 0, 0, 2, 3:-3], image[0, 0, 0, 1])
    assert torch.equal(padded[0, 0, 0, -1, 3:-3], image[0, 0, 0, -5])  # four rows below the last
    seen = []
    network.combine = lambda features, gain=None: seen.append(gain) or mean(features, gain)
    rd = torch.rand(1, 2, 1, 13, 10).softmax(1)
    network(image, rd)
    assert torch.equal(seen[0], network.pad(2 * rd))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (4, 9)], ids=str)
def test_padding_reflects_images_that_are_smaller_than_it_again_and_again(size):
    network, image = Padded(), torch.rand(2, 3, 1, *size)
    padded = network.pad(image)
    assert all(side % 4 == 0 for side in padded.shape[3:])
    height, width = padded.shape[3:]
    sides = [(0, 0)] * 3 + [(3, height - 3 - size[0]), (3, width - 3 - size[1])]
    assert torch.equal(padded, torch.from_numpy(np.pad(image.numpy(), sides, mode="reflect")))


def test_sources_that_need_no_padding_are_passed_on():
    network, images = Tokens(), torch.rand(1, 2, 1, 8, 12)
    assert network.pad(images) is images


@torch.no_grad()
def test_the_task_reaches_encoder_and_components():
    network, sources = TaskAware(), torch.full((1, 2, 1, 4, 4), 0.25)
    assert (network(sources, task="mif") == 0.75**2).all()
    assert (network(sources, task="vif") == 0.25**2).all()
    encoded = Encoded(network, sources, "mif")
    assert (encoded.static == 0.75**2).all()
    assert (encoded.components == 0.75**2 + 1).all()
    result = TestTimeDynamicFusion(network)(sources, task="mif")
    assert (result.components == 0.75**2 + 1).all()
    assert (result.fused == 0.75**2).all()


def test_a_network_that_does_not_use_the_task_is_not_told_it():
    network = Coarse(2)
    sources = torch.rand(1, 2, 1, 4, 4)
    assert torch.equal(network(sources, task="mif"), network(sources))
