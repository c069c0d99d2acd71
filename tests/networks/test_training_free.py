"""What networks without weights have in common, from Python and from the command line."""

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

import evaluate
import train
from fusionlab import Fuser
from fusionlab.cli import main
from fusionlab.errors import InputError
from fusionlab.networks import NETWORKS, FusionNetwork, create_network, list_networks
from fusionlab.networks.base import feature_tensors, map_features
from fusionlab.networks.checkpoints import bundled_checkpoint
from fusionlab.networks.conversion import convert_checkpoint
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion

TRAINING_FREE = [name for name in list_networks() if not NETWORKS[name].trainable]


@pytest.fixture(params=TRAINING_FREE)
def network(request) -> FusionNetwork:
    """Each of them, unless a library that it needs is not installed."""
    try:
        return create_network(request.param, "bundled")
    except InputError as reason:
        pytest.skip(str(reason))


def make_sources(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_the_classical_methods_are_those_without_weights():
    expected = ["average", "exposure_fusion", "guided_filter", "laplacian", "maximum", "wavelet"]
    assert expected == TRAINING_FREE


def test_a_copy_fuses_alike(network):
    sources = make_sources(1, 2, 1, 17, 23)
    assert torch.equal(deepcopy(network)(sources), network(sources))


def test_it_has_no_weights_and_says_so(network):
    assert not network.state_dict()
    assert not network.describe()["trainable"]
    assert not network.describe()["checkpoint"]


@pytest.mark.parametrize("name", TRAINING_FREE)
def test_a_checkpoint_is_refused_before_it_is_opened(name):
    with pytest.raises(InputError, match=f"^{name} has no weights, .*; leave out nowhere.pth$"):
        create_network(name, "nowhere.pth")


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (17, 23), (40, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_source_alone_comes_back(channels, size, network):
    sources = make_sources(2, 1, channels, *size)
    assert_close(network(sources), sources[:, 0], rtol=0, atol=1e-6)


def test_the_paper_preset_changes_next_to_nothing(network):
    """A source alone comes back, so no source is badly reconstructed: RD is uniform to rounding."""
    sources = {"near": make_sources(1, 1, 17, 23)[0], "far": make_sources(2, 1, 17, 23)[1]}
    picture = Fuser(network, "mff")(sources, TTD("paper"))
    assert picture.rd is not None
    assert (picture.rd - 0.5).abs().max() < 1e-6
    static = Fuser(network, "mff")(sources)
    assert (picture.fused.int() - static.fused.int()).abs().max() <= 1


@pytest.mark.parametrize("compare", ["components", "fused"])
def test_rd_can_be_made_of_gradients(compare, network):
    sources = make_sources(1, 2, 1, 18, 22)
    found = TestTimeDynamicFusion(network, basis="gradient", compare=compare)(sources)
    assert_close(found.rd.sum(1), torch.ones(1, 1, 18, 22))


def test_every_feature_has_a_gradient_where_it_is_chosen(network):
    sources = make_sources(1, 2, 1, 18, 22)
    features = map_features(lambda x: x.requires_grad_(), network.encode(sources))
    image = network.decode(network.combine(features), sources)
    found = torch.autograd.grad(image.square().sum(), feature_tensors(features))
    assert all(gradient[:, m].any() for gradient in found for m in (0, 1))


def test_sources_in_another_order_fuse_alike(network):
    sources = make_sources(1, 3, 3, 17, 23)
    rd = make_sources(1, 3, 1, 17, 23).softmax(1)
    assert_close(network(sources.flip(1)), network(sources), rtol=0, atol=1e-5)
    assert_close(network(sources.flip(1), rd.flip(1)), network(sources, rd), rtol=0, atol=1e-5)


def test_evaluation_needs_no_checkpoint(pairs, run_evaluate, capsys):
    _, summary = run_evaluate("--methods", "average", "laplacian", "--data.root", pairs, "--ttd")
    fused = [one for one in summary["methods"] if one["kind"] != "source"]
    assert [one["name"] for one in fused] == [
        *("Average", "Average+TTD", "LaplacianPyramid", "LaplacianPyramid+TTD")
    ]
    printed = " ".join(capsys.readouterr().out.split())
    assert "Average: average, no weights" in printed
    assert "LaplacianPyramid: laplacian (levels None, window 5), no weights" in printed


def test_fuse_needs_no_checkpoint(pairs, tmp_path):
    files = [str(pairs / source / "01.png") for source in ("vi", "ir")]
    main(["fuse", *files, "--network.name", "laplacian", "-o", str(tmp_path / "fused.png")])
    assert (tmp_path / "fused.png").is_file()


def test_a_checkpoint_on_the_command_line_is_refused_in_one_line(refused, tmp_path):
    path = tmp_path / "mine.pth"
    path.touch()
    line = refused(evaluate, "--network.name", "average", "--network.checkpoint", path)
    assert line.endswith(f"average has no weights, so it takes no checkpoint; leave out {path}")


def test_training_is_refused_in_one_line(refused):
    line = refused(train, "--network.name", "laplacian", "--training.objective", "ifcnn")
    assert "laplacian has no weights to train" in line


def test_no_checkpoint_is_taken_for_one_of_them(tmp_path):
    source = str(bundled_checkpoint("ifcnn"))
    assert convert_checkpoint(source, tmp_path / "a.safetensors", None, {}).name == "ifcnn"


def test_the_list_of_networks_says_so(capsys):
    main(["networks", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("average: Average") + 2].endswith("none: it has no weights")
