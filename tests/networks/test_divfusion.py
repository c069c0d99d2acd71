"""DIVFusion against its authors' graph, with weights by a stated formula."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.networks.divfusion import ChannelAttention, DIVFusion, Layer, variable_names
from tests.networks import references
from tests.networks.formula import drawn_weights, value_checksum

CHECKSUM = "d27ae0a8ac7234e6023360715f92a3a21a673acfbdba0ba4bf0e5cdb497ebd27"


def value(name: str, z: np.ndarray) -> np.ndarray:
    """The formula of the sheet, for kernels (height, width, in, out)."""
    return z / np.sqrt(np.prod(z.shape[:3])) if z.ndim == 4 else 0.05 * z


def variables(dim: int = 256) -> dict[str, Tensor]:
    """What the authors' checkpoints hold."""
    with torch.device("meta"):
        state = DIVFusion(dim).state_dict()
    shapes = {name: tuple(state[key].shape) for name, key in variable_names().items()}
    turned = {n: (*s[2:], s[1], s[0]) if len(s) == 4 else s for n, s in shapes.items()}
    return drawn_weights(turned, 2023, value)


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_the_authors_graph(name, shared):
    """In double precision: the normalisations amplify rounding, that of float32 to 1.5e-4."""
    given = variables()
    assert value_checksum(given) == CHECKSUM
    network = create_network("divfusion")
    network.load_state_dict(DIVFusion.convert_published(given))
    path = shared / "reference" / "networks" / f"divfusion_formula_{name}.npz"
    expected = references.read(path, torch.float64)
    single = network(expected["sources"].float())
    assert (single - expected.pop("static_float32")).abs().max() < 1e-3
    ours = references.computed(network.double(), expected["sources"])
    references.assert_equal(
        ours, expected, 3e-6
    )  # float64; batch norm amplifies what float32 files round


def test_its_size_is_the_authors():
    with torch.device("meta"):
        state = DIVFusion().state_dict()
    learnt = {k: v for k, v in state.items() if not k.endswith(("gamma", "beta"))}
    assert sum(one.numel() for one in learnt.values()) == 4_397_185
    assert sum(one.numel() for one in state.values()) == 4_397_185 + 5_570
    assert len(learnt) == len(variable_names()) == 42


def test_the_authors_variables_are_mapped_strictly():
    given = variables(16)
    besides = {
        "DecomNet/decoder_ir/layer1/w1": torch.zeros(1),
        "DecomNet/CAM_L/layer/b2": torch.zeros(1),
        "DecomNet/encoder/layer1/BatchNorm/gamma": torch.full((4,), 7.0),
        "enhance/layer/w1/Adam_1": torch.zeros(1),
    }
    network = DIVFusion(16)
    network.load_state_dict(DIVFusion.convert_published({**given, **besides}))
    kernel = given["enhance/contrast_model/layer_3/w1"]
    assert torch.equal(network.contrast[2].conv.weight[1, 2, 3, 4], kernel[3, 4, 2, 1])
    assert (network.encoder[0].gamma == 1).all(), "the test script does not restore it"
    given["enhance/other"] = given.pop("enhance/layer/b2")
    with pytest.raises(InputError, match="missing: enhance/layer/b2; surplus: enhance/other"):
        DIVFusion.convert_published(given)


@torch.no_grad()
def test_layers_normalise_with_what_they_see():
    layer = Layer(2, 3).eval()
    torch.nn.init.normal_(layer.gamma)
    torch.nn.init.normal_(layer.beta)
    x = torch.rand(2, 2, 5, 6)
    normed = F.batch_norm(
        layer.conv(x), None, None, layer.gamma, layer.beta, training=True, eps=1.001e-5
    )
    assert_close(layer(x), F.leaky_relu(normed, 0.2))


@torch.no_grad()
def test_attention_of_an_untrained_shift_is_the_same_for_all_channels():
    shares = ChannelAttention(16, 2)(torch.randn(1, 16, 9, 9))
    assert_close(shares, torch.full((1, 16, 1, 1), 1 / 16))


@torch.no_grad()
def test_fixed_filters_by_hand():
    """Of a dot of 2, in magnitudes from 0 to the largest."""
    network, dot = DIVFusion(8), torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 2
    expected = torch.zeros(5, 5)
    expected[1:4, 2] = expected[2, 1:4] = 2
    expected[2, 2] = 8
    assert_close(network._laplacian(dot)[0, 0], expected / (8 + 1e-4))
    along_x, along_y = torch.zeros(5, 5), torch.zeros(5, 5)
    along_x[1, 2] = along_x[1, 1] = 2  # the kernel's second row lies on the dot
    along_y[2, 1] = along_y[1, 1] = 2
    found = network._gradient(dot, dot.expand(1, 4, 5, 5))
    assert_close(found[0, 3], (along_x + along_y) / (2 + 1e-4))


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("divfusion", dim=16)
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(sources, sources)
    for m in range(2):
        assert torch.equal(components[:, m], network(sources[:, [m, m]]))


@torch.no_grad()
def test_a_batch_is_normalised_together_in_training_alone(lively):
    network = lively("divfusion", dim=16)
    sources = torch.rand(2, 2, 1, 9, 12) * torch.tensor([1, 0.2]).view(2, 1, 1, 1, 1)
    assert torch.equal(network(sources)[:1], network(sources[:1]))
    network.train()
    assert (network(sources)[:1] - network(sources[:1])).abs().max() > 1e-3


@pytest.mark.parametrize("dim", [0, 12, 16.0])
def test_a_number_of_features_that_cannot_be(dim):
    with pytest.raises(InputError, match="divfusion: dim must be a multiple of 8"):
        create_network("divfusion", dim=dim)
