"""SHIP against its authors' modules."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.ship import SHIP, CentralDifference, circular_convolution
from tests.networks import references

# Spectra and norms of whole images: the authors' float32 is 6e-5 from their float64. Ours is
# compared in double precision, since what rounding does differs with the processor.
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def published(shared) -> SHIP:
    return create_network("ship", shared / "weights" / "ship" / "SHIP_model.pth")


def intermediates(network: SHIP, sources: Tensor) -> dict[str, Tensor]:
    """What some modules return, every fourth row and column of it."""
    found: dict[str, Tensor] = {"encoded": network.encode(sources)}

    def keep_both(name):
        def hook(module, given, returned):
            found[f"{name}_visible"], found[f"{name}_infrared"] = returned

        return hook

    names = ("interaction1", "interaction2", "interaction3")
    handles = [network.get_submodule(x).register_forward_hook(keep_both(x)) for x in names]
    handles.append(
        network.postprocess.register_forward_hook(
            lambda module, given, returned: found.update(postprocessed=returned)
        )
    )
    network(sources)
    for handle in handles:
        handle.remove()
    return {f"{name}_every4": value[..., ::4, ::4] for name, value in found.items()}


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_the_authors_modules(name, published, shared):
    path = shared / "reference" / "networks" / f"ship_{name}.npz"
    expected = references.read(path, torch.float64)
    network = deepcopy(published).double()
    ours = references.computed(network, expected["sources"], "proportional")
    if name == "tno01":
        ours |= intermediates(network, expected["sources"])
    references.assert_equal(ours, expected, ROUNDING)


@pytest.mark.slow
def test_the_file_is_known_and_must_be_whole(shared, tmp_path, capsys):
    path = shared / "weights" / "ship" / "SHIP_model.pth"
    create_network("ship", path)
    assert file_sha256(path).startswith("e61783e7")
    assert capsys.readouterr().err == ""
    content = torch.load(path, weights_only=True)
    content["params"]["surplus"] = content["params"].pop("vis.block1.CDC.HP_branch")
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"missing: vis\.block1\.CDC\.HP_branch; surplus: surplus"):
        create_network("ship", tmp_path / "other.pth")


def test_its_size_is_the_authors():
    network = SHIP()
    assert sum(p.numel() for p in network.parameters()) == 547_509
    assert sum(b.numel() for b in network.buffers()) == 5_520


@torch.no_grad()
def test_central_differences_by_hand():
    """On a constant image a share of 0.2 of each kernel's sum is left."""
    difference = CentralDifference(1)
    difference.h_conv.conv.weight[:] = torch.tensor([1.0, 2, 3, 4, 5])
    difference.d_conv.conv.weight[:] = torch.tensor([6.0, 7, 8, 9, 10])
    difference.HP_branch.fill_(torch.log(torch.tensor(3.0)).item())  # a share of 3/4
    cross = [[0, 1, 0], [2, 3 - 12, 4], [0, 5, 0]]
    diagonals = [[6, 0, 7], [0, 8 - 32, 0], [9, 0, 10]]
    expected = 0.75 * torch.tensor(cross) + 0.25 * torch.tensor(diagonals)
    dot = torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 1
    torch.testing.assert_close(difference(dot)[0, 0, 1:4, 1:4], expected.flip(0, 1))


def test_a_circular_convolution_by_hand():
    """A dot at row 1, column 2 moves the other image down by 1 and right by 2, round the edge."""
    image, dot = torch.rand(1, 1, 3, 5), torch.zeros(1, 1, 3, 5)
    dot[..., 1, 2] = 2
    moved = 2 * image.roll((1, 2), (2, 3))
    torch.testing.assert_close(circular_convolution(image, dot), moved)


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("ship")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)


def test_what_is_brighter_than_white_is_white_before_it_gets_its_colour(lively):
    fuser, chroma = Fuser(lively("ship"), "vif"), torch.tensor([0.1, -0.2]).view(1, 2, 1, 1)
    bright, white = (
        fuser.viewable(torch.full((1, 1, 1, 1), value), chroma) for value in (1.4, 1.0)
    )
    assert torch.equal(bright, white)
    assert white.min() < 200
