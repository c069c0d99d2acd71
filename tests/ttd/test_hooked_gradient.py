import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.settings import TTD
from fusionlab.ttd import HookedDynamicFusion
from fusionlab.ttd.hooked_gradient import gradients_of_components, gradients_of_fused
from tests.ttd.test_hooks import Foreign

SIZE = (1, 3, 1, 6, 8)


@pytest.fixture(params=[{}, {"is_stacked": True}, {"stride": 2}, {"is_tuple": True}], ids=str)
def network(request):
    torch.manual_seed(0)
    return Foreign(**request.param)


def run(network):
    return lambda sources: network(*sources.unbind(1))


def kernels_turned(network, image, stride):
    """The decoder is linear: what it sends back is its transpose."""
    back = torch.nn.functional.conv_transpose2d(image, network.decoder.weight, padding=1)
    return stride**2 * torch.nn.functional.avg_pool2d(back, stride)


@pytest.mark.parametrize("compare", ["components", "fused"])
def test_gradients_of_a_linear_decoder_by_hand(compare, network):
    """Squared error: 2 (image − source), sent back by the transposed decoder."""
    sources = torch.rand(SIZE)
    of = gradients_of_components if compare == "components" else gradients_of_fused
    found = of(network.parts["encoder"], run(network), sources, "mse")
    for m, source in enumerate(sources.unbind(1)):
        image = network(source) if compare == "components" else network(*sources.unbind(1))
        assert_close(found.images[:, m], image)
        expected = kernels_turned(network, 2 * (image - source), network.stride)
        assert len(found.branches) == (2 if network.parts["encoder"].is_tuple else 1)
        for branch in found.branches:
            assert_close(branch[:, m], expected)


def test_a_source_that_is_encoded_twice_has_the_sum():
    network, sources = Foreign(), torch.rand(SIZE)
    encoder = network.parts["encoder"]
    twice = gradients_of_components(encoder, lambda x: network(x[:, 0], x[:, 0]), sources, "mse")
    image = network(sources[:, 1], sources[:, 1])
    once = kernels_turned(network, 2 * (image - sources[:, 1]), 1)
    assert_close(twice.branches[0][:, 1], 2 * once)


@pytest.mark.parametrize("compare", ["components", "fused"])
def test_inference_mode_changes_nothing_and_nothing_is_left_behind(compare, network):
    settings = TTD(basis="gradient", compare=compare, temperature=2.0)
    dynamic = HookedDynamicFusion(network, "parts.encoder", run(network), settings=settings)
    sources = torch.rand(SIZE)
    expected = dynamic(sources)
    with torch.inference_mode():
        found = dynamic(sources)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)
    assert found.rd.std() > 1e-4
    assert not network.parts["encoder"]._forward_hooks
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("compare", ["components", "fused"])
def test_a_network_run_without_gradients_is_refused(compare):
    network = Foreign()
    settings = TTD(basis="gradient", compare=compare)
    fuse = torch.no_grad()(run(network))
    with pytest.raises(InputError, match=r"no torch\.no_grad inside.*set ttd\.basis to loss"):
        HookedDynamicFusion(network, "parts.encoder", fuse, settings=settings)(torch.rand(SIZE))


def test_a_part_that_encodes_one_source_is_refused():
    network = Foreign()
    fuse = run(network)
    with pytest.raises(InputError, match="encoded 1 of 3 sources"):
        gradients_of_fused(
            network.parts["encoder"], lambda x: fuse(x[:, :1]), torch.rand(SIZE), "l1"
        )
