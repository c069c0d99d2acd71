import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import file_sha256, load_weights, read_checkpoint
from fusionlab.networks.densefuse import DenseFuse, l1_norm_rule
from fusionlab.networks.published import find_published
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import contract

LAYOUTS = {"gray": 1, "rgb": 3}
each_rule = pytest.mark.parametrize("rule", ["mean", "l1"])
each_layout = pytest.mark.parametrize("channels", [1, 3], ids="C{}".format)

# Sums of up to 576 terms in float32, in another order in another batch or backend.
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


def untrained(channels: int = 1, rule: str = "mean") -> DenseFuse:
    torch.manual_seed(0)
    return DenseFuse(channels, rule).eval()


def plain_rule(stack: Tensor, rule: str) -> Tensor:
    """Of (M, B, F, H, W); the l1-norm rule as the paper writes it, with sums over windows."""
    if rule == "mean":
        return stack.mean(0)
    norms = F.pad(stack.abs().sum(2), (1, 1, 1, 1), mode="replicate")
    activity = norms.unfold(-2, 3, 1).unfold(-2, 3, 1).sum((-2, -1)) / 9
    return (activity / activity.sum(0)).unsqueeze(2).mul(stack).sum(0)


def plain_densefuse(
    network: DenseFuse, sources: Tensor, rule: str, rd: Tensor | None = None
) -> Tensor:
    """DenseFuse as the paper draws it, one pass per source."""
    state = network.state_dict()

    def layer(x: Tensor, name: str) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.relu(F.conv2d(x, state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]))

    features = []
    for source in sources.unbind(1):
        x = layer(255 * source, "conv1")
        for k in range(3):
            x = torch.cat([x, layer(x, f"DB1.denseblock.{k}.dense_conv")], 1)
        features.append(x)
    if rd is not None:
        features = [len(features) * rd[:, m] * x for m, x in enumerate(features)]
    x = plain_rule(torch.stack(features), rule)
    for name in ("conv2", "conv3", "conv4", "conv5"):
        x = layer(x, name)
    return x / 255


@torch.no_grad()
@each_rule
@each_layout
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [(17, 23), (2, 3)], ids=str)
def test_it_computes_what_the_paper_draws(rule, channels, count, size):
    network = untrained(channels, rule)
    sources = torch.rand(2, count, channels, *size)
    assert_close(network(sources), plain_densefuse(network, sources, rule), **ROUNDING)
    rd = (3 * torch.rand(2, count, 1, *size)).softmax(1)
    expected = plain_densefuse(network, sources, rule, rd)
    assert_close(network(sources, rd), expected, **ROUNDING)


@pytest.mark.slow
@torch.no_grad()
@each_rule
@each_layout
def test_it_keeps_the_contract_under_every_rule(rule, channels):
    network = untrained(channels, rule)
    for size in ((17, 23), (2, 3), (9, 1), (1, 1)):
        sources = contract.make_sources(network, 3, size)
        contract.assert_uniform_rd_is_static(network, sources)
        contract.assert_a_batch_is_its_members(network, sources)
        contract.assert_components_are_the_network_alone(network, sources)
        contract.assert_order_does_not_matter(network, sources)
    for count in (2, 41):
        sources = contract.make_sources(network, count, (8, 9))
        contract.assert_rd_matters(network, sources)
        for half in (torch.bfloat16, torch.float16):
            contract.assert_uniform_rd_is_static(network, sources, half)


@each_rule
def test_every_parameter_learns_under_every_rule(rule):
    network = untrained(rule=rule)
    contract.assert_every_parameter_learns(network, contract.make_sources(network, 2, (8, 9)))


def test_the_l1_norm_rule_by_hand():
    """One bright pixel in the corner of A; B is 1 everywhere, so its activity is 1."""
    bright = torch.zeros(1, 1, 3, 3)
    bright[..., 0, 0] = 9
    # activity of A with the border repeated: 4 of 9 pixels at the corner, 2 beside it, 1 diagonally
    activity = torch.tensor([[4.0, 2, 0], [2, 1, 0], [0, 0, 0]])
    share = activity / (activity + 1)
    expected = share * bright[0, 0] + (1 - share)
    assert expected[0, 0].item() == pytest.approx(0.8 * 9 + 0.2)
    assert_close(l1_norm_rule([bright, torch.ones(1, 1, 3, 3)])[0, 0], expected)


def test_the_l1_norm_sums_absolute_values_over_channels():
    """Constant (3, -1) and (0, 2): activities 4 and 2."""
    first = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 5)
    second = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 4, 5)
    assert_close(l1_norm_rule([first, second]), (2 * first + second) / 3)


def test_the_l1_norm_rule_where_nothing_is_active():
    features = [torch.zeros(1, 4, 3, 3, requires_grad=True) for _ in range(2)]
    fused = l1_norm_rule(features)
    fused.sum().backward()
    assert not fused.any()
    assert all(feature.grad.isfinite().all() for feature in features)


@torch.no_grad()
@each_rule
def test_an_image_one_pixel_high_is_a_row_repeated(rule):
    network = untrained(rule=rule)
    row = torch.rand(1, 2, 1, 1, 7)
    assert_close(network(row), network(row.expand(1, 2, 1, 5, 7))[..., :1, :], **ROUNDING)
    column = row.mT
    expected = network(column.expand(1, 2, 1, 7, 5))[..., :1]
    assert_close(network(column), expected, **ROUNDING)


@torch.no_grad()
def test_the_output_is_not_clamped_above():
    network = untrained()
    sources = torch.rand(1, 2, 1, 8, 9)
    before = network(sources)
    assert before.min() > 0  # else the last ReLU hides part of the shift
    network.conv5.conv2d.bias += 5 * 255
    assert_close(network(sources), before + 5, **ROUNDING)


@torch.no_grad()
def test_the_last_layer_ends_in_a_relu():
    network = untrained()
    network.conv5.conv2d.bias -= 1e6
    assert not network(torch.rand(1, 2, 1, 8, 9)).any()


@torch.no_grad()
@each_layout
def test_no_random_start_is_black(channels):
    for seed in range(10):
        torch.manual_seed(seed)
        assert (DenseFuse(channels)(torch.rand(1, 2, channels, 9, 9)).amax((0, 2, 3)) > 0).all()


@pytest.mark.parametrize(("channels", "count"), [(1, 74_193), (3, 74_771)])
def test_size_is_the_authors(channels, count):
    """Counted in the authors' checkpoints."""
    assert sum(p.numel() for p in DenseFuse(channels).parameters()) == count


def test_colour_follows_the_layout():
    assert DenseFuse().channels == (1,)
    assert DenseFuse().rgb_tasks == set()
    assert DenseFuse(3).channels == (3,)
    assert DenseFuse(3).rgb_tasks == {"vif", "mif", "mef", "mff"}


@pytest.mark.parametrize("channels", [0, 2, 4, "1", 1.0, True, None, [1]], ids=repr)
def test_wrong_channels_are_refused(channels):
    with pytest.raises(InputError, match="densefuse: channels_in must be 1 or 3, got"):
        DenseFuse(channels)


@pytest.mark.parametrize("rule", ["max", "L1", None, ["mean"]], ids=repr)
def test_an_unknown_rule_lists_the_known_ones(rule):
    with pytest.raises(InputError, match="densefuse: rule must be one of mean, l1, got"):
        DenseFuse(rule=rule)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_authors_files_are_known_by_their_hash(layout, shared):
    path = shared / "weights" / "densefuse" / f"densefuse_{layout}.model"
    entry = find_published(DenseFuse.published, file_sha256(path))
    assert entry is not None
    assert entry.options == {"channels_in": LAYOUTS[layout]}


@torch.no_grad()
@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_of_the_authors_modules(layout, shared):
    """Infrared is the first source."""
    network = DenseFuse(LAYOUTS[layout]).eval()
    checkpoint = shared / "weights" / "densefuse" / f"densefuse_{layout}.model"
    load_weights(network, read_checkpoint(checkpoint))
    paths = sorted((shared / "reference" / "networks").glob(f"densefuse_{layout}_*.npz"))
    assert paths
    for path in paths:
        published = {key: torch.from_numpy(value) for key, value in np.load(path).items()}
        sources = published.pop("sources")
        ours = {"static": network(sources)}
        for key, preset in (("l1", "paper"), ("mse50", "authors")):
            result = TestTimeDynamicFusion(network, preset)(sources)
            ours["components"] = result.components
            ours[f"loss_{key}"] = result.losses
            ours[f"rd_{key}"] = result.rd
            ours[f"ttd_{key}"] = result.fused
        assert ours.keys() == published.keys()
        for key, value in ours.items():
            worst = (value - published[key]).abs().max().item()
            assert worst < 1e-5, f"{path.name}: {key} is off by {worst}"
