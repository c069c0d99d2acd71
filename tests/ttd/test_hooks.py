from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.settings import TTD
from fusionlab.ttd import HookedDynamicFusion, TestTimeDynamicFusion


class Foreign(nn.Module):
    """A network as others write them: sources are arguments, features are summed."""

    def __init__(self, is_stacked: bool = False, stride: int = 1, is_tuple: bool = False) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"encoder": Encoder(stride, is_tuple)})
        self.decoder = nn.Conv2d(4, 1, 3, padding=1)
        self.is_stacked, self.stride = is_stacked, stride

    def forward(self, *images: Tensor) -> Tensor:
        encode = self.parts["encoder"]
        if self.is_stacked:
            features = first(encode(torch.cat(images))).split(len(images[0]))
        else:
            features = [first(encode(image)) for image in images]
        return self.decoder(nn.functional.interpolate(sum(features), scale_factor=self.stride))


class Encoder(nn.Module):
    def __init__(self, stride: int, is_tuple: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=stride, padding=1)
        self.is_tuple = is_tuple

    def forward(self, image: Tensor):
        features = self.conv(image)
        return (features, 2 * features) if self.is_tuple else features


def first(features):
    return features[0] + features[1] if isinstance(features, tuple) else features


def hooked(network: nn.Module, encoder: str = "parts.encoder", **settings) -> HookedDynamicFusion:
    return HookedDynamicFusion(
        network, encoder, lambda sources: network(*sources.unbind(1)), settings=TTD(**settings)
    )


@pytest.fixture(params=[{}, {"is_stacked": True}, {"stride": 2}, {"is_tuple": True}], ids=str)
def network(request):
    torch.manual_seed(0)
    return Foreign(**request.param).requires_grad_(False)


@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_uniform_rd_is_the_static_network_bit_for_bit(count, network):
    sources = torch.rand(3, count, 1, 8, 10)
    static = torch.cat([network(*one.unbind(1)) for one in sources.split(1)])
    assert torch.equal(hooked(network, temperature=0.0)(sources).fused, static)


@pytest.mark.parametrize("is_stacked", [False, True])
def test_each_source_has_its_own_gain(is_stacked):
    network = Foreign(is_stacked).requires_grad_(False)
    sources, gain = torch.rand(1, 3, 1, 8, 10), 2 * torch.rand(1, 3, 1, 8, 10)
    encode = network.parts["encoder"]
    features = [gain[:, m] * encode(sources[:, m]) for m in range(3)]
    assert_close(hooked(network).fuse(sources, gain), network.decoder(sum(features)))


def test_smaller_features_take_the_gain_averaged_over_areas():
    network = Foreign(stride=2).requires_grad_(False)
    sources, gain = torch.rand(1, 2, 1, 8, 10), 2 * torch.rand(1, 2, 1, 8, 10)
    encode = network.parts["encoder"]
    coarse = nn.functional.avg_pool2d(gain[0], 2)
    combined = sum(coarse[m : m + 1] * encode(sources[:, m]) for m in range(2))
    expected = network.decoder(nn.functional.interpolate(combined, scale_factor=2))
    assert_close(hooked(network).fuse(sources, gain), expected)


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"preset": "authors"},
        {"preset": "structure", "temperature": 20.0},
        {"compare": "fused", "loss": "ssim", "temperature": 5.0},
        {"form": "sigmoid", "correlation": "positive"},
        {"normalization": "proportional", "gain": "largest"},
        {"normalization": "none"},
        {"basis": "gradient"},
        {"basis": "gradient", "loss": "ssim", "temperature": 50.0},
        {"basis": "gradient", "channel": 7},
        {"basis": "gradient", "compare": "fused", "loss": "mse"},
    ],
    ids=str,
)
def test_it_is_the_same_as_through_a_fusion_network(settings):
    """IFCNN's second convolution is its encoder's output, called once on all sources."""
    torch.manual_seed(0)
    network = create_network("ifcnn", rule="sum")
    sources = torch.rand(2, 3, 1, 9, 11)
    dynamic = HookedDynamicFusion(network, "conv2", network, settings=TTD(**settings))
    expected = TestTimeDynamicFusion(network, **settings)(sources)
    for ours, theirs in zip(dynamic(sources), expected, strict=True):
        assert_close(ours, theirs)


@torch.no_grad()
def test_an_automatic_gain_is_the_share_as_a_module_does_not_tell_its_rule():
    torch.manual_seed(0)
    network, sources = create_network("ifcnn", rule="max"), torch.rand(1, 3, 1, 9, 11)
    automatic, share = TTD("authors", gain="auto"), TTD("authors", gain="share")
    through_hooks = HookedDynamicFusion(network, "conv2", network, settings=automatic)(sources)
    expected = TestTimeDynamicFusion(network, share)(sources)
    for ours, theirs in zip(through_hooks, expected, strict=True):
        assert_close(ours, theirs)


def test_a_network_of_two_sources_is_reconstructed_as_the_user_says():
    network = Foreign().requires_grad_(False)
    dynamic = HookedDynamicFusion(
        network,
        "parts.encoder",
        lambda sources: network(*sources.unbind(1)),
        reconstruct=lambda source: network(source[:, 0], source[:, 0]) / 2,
    )
    sources = torch.rand(1, 2, 1, 8, 10)
    expected = torch.stack([network(x, x) / 2 for x in sources.unbind(1)], 1)
    assert_close(dynamic(sources).components, expected)


def test_its_hooks_are_gone_afterwards_also_after_an_error():
    network = Foreign().requires_grad_(False)
    sources = torch.rand(2, 2, 1, 8, 10)
    static = network(*sources.unbind(1))
    dynamic = hooked(network, temperature=50.0)
    dynamic(sources)

    def broken(sources):
        network(*sources.unbind(1))
        raise RuntimeError("broken")

    dynamic.run = broken
    with pytest.raises(RuntimeError, match="broken"):
        dynamic.fuse(sources[:1], torch.ones(1, 2, 1, 8, 10))
    assert torch.equal(network(*sources.unbind(1)), static)
    assert not network.parts["encoder"]._forward_hooks


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        InputError, match=r"no module 'encoder'; it has parts, parts.encoder, parts"
    ):
        hooked(Foreign(), "encoder")
    with pytest.raises(InputError, match="no module ''"):
        hooked(Foreign(), "")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (TTD(basis="gradient", channel="auto"), r"set .* ttd\.channel to numbers"),
        (TTD("structure"), r"set ttd\.temperature and ttd\.channel to numbers"),
        (TTD(basis="gradient", loss="objective"), r"set ttd\.loss to l1"),
    ],
)
def test_what_hooks_cannot_do_is_refused(settings, remedy):
    with pytest.raises(InputError, match=remedy):
        HookedDynamicFusion(Foreign(), "parts.encoder", lambda x: x, settings=settings)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (lambda n, s: n(s[:, 0]), "encoded 1 of 2 sources; name the module that encodes"),
        (lambda n, s: n(s[:, 0], s[:, 1], s[:, 0]), "called more often than there are sources"),
        (lambda n, s: n.decoder(torch.rand(1, 4, 8, 10)), "encoded 0 of 2 sources"),
        (lambda n, s: n(s[:, 0].repeat(3, 1, 1, 1)), r"for all, got \(3, 4, 8, 10\)"),
        (lambda n, s: n(s[0, 0]), r"got \(4, 8, 10\)"),
    ],
)
def test_an_encoder_that_is_called_otherwise_is_named(run, reason):
    network = Foreign().requires_grad_(False)
    dynamic = HookedDynamicFusion(network, "parts.encoder", lambda sources: run(network, sources))
    with pytest.raises(InputError, match=f"parts.encoder .*{reason}"):
        dynamic.fuse(torch.rand(1, 2, 1, 8, 10), torch.ones(1, 2, 1, 8, 10))
    assert not network.parts["encoder"]._forward_hooks


@pytest.mark.parametrize("settings", [{}, {"basis": "gradient"}], ids=str)
def test_threads_do_not_meet_each_others_hooks(settings):
    torch.manual_seed(0)
    network = Foreign()
    dynamic = hooked(network, **settings)
    samples = [torch.rand(1, 2, 1, 24, 24) for _ in range(60)]
    alone = [dynamic(one).fused.detach() for one in samples]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: dynamic(one).fused.detach(), samples))
    assert all(map(torch.equal, alone, together))


def test_a_module_that_normalises_by_the_batch_is_refused():
    network = Foreign()
    network.decoder = nn.Sequential(network.decoder, nn.BatchNorm2d(1))
    with pytest.raises(InputError, match="training mode"):
        hooked(network)(torch.rand(1, 2, 1, 8, 8))
