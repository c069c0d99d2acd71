"""U2Fusion, the authors' and the port, against the original graphs, and the port's picture."""

import pytest
import torch

from fusionlab.data.colour import levels_luma
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.u2fusion import U2Fusion
from tests.networks import references

FILES = {"authors": "model.ckpt.data-00000-of-00001", "port": "model.pth"}


@pytest.fixture(scope="module")
def published(shared):
    folder = shared / "weights" / "u2fusion"
    return {version: create_network("u2fusion", folder / file) for version, file in FILES.items()}


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tf_tno01", "tf_odd", "mef_house", "mef_odd"])
def test_results_of_the_original_graphs(name, published, shared):
    network = published["authors" if name.startswith("tf") else "port"]
    expected = references.read(shared / "reference" / "networks" / f"u2fusion_{name}.npz")
    references.assert_equal(references.computed(network, expected["sources"]), expected, 2e-6)


@pytest.mark.slow
def test_the_picture_of_the_port(published, shared):
    """It rounds the chroma of the sources before they are merged, which colours show."""
    folder = shared / "reference" / "u2fusion_published"
    pair = {name: folder / f"landscape_{name}.png" for name in ("under", "over")}
    ours = Fuser(published["port"], "mef")(pair).fused
    theirs = references.levels(folder / "landscape_result.png")
    luma = (levels_luma(ours).int() - levels_luma(theirs).int()).abs()
    assert (luma > 1).float().mean() < 0.002
    off = ours.int() - theirs.int()
    assert (off.abs() > 2).float().mean() < 0.005
    assert off.float().mean((1, 2)).abs().max() < 0.2, "levels are not cut off"


@pytest.mark.parametrize("version", FILES)
def test_the_files_are_known(version, shared, capsys):
    network = create_network("u2fusion", shared / "weights" / "u2fusion" / FILES[version])
    assert network.version == version
    assert capsys.readouterr().err == ""


def test_the_variables_by_name_are_those_of_the_raw_file(published, shared):
    named = create_network("u2fusion", shared / "weights" / "u2fusion" / "u2fusion_tf.npz")
    theirs = published["authors"].state_dict()
    assert all(torch.equal(theirs[key], value) for key, value in named.state_dict().items())


def test_files_must_be_whole(shared, tmp_path):
    folder = shared / "weights" / "u2fusion"
    content = (folder / FILES["authors"]).read_bytes()
    for count, text in ((-4, "holds 659,216 values, 659,217 are"), (-3, "no whole float32")):
        (tmp_path / FILES["authors"]).write_bytes(content[:count])
        with pytest.raises(InputError, match=text):
            create_network("u2fusion", tmp_path / FILES["authors"])
    state = create_network("u2fusion", folder / "model.pth").state_dict()
    state["sub.4.bias"] = state.pop("sub.3.bias")
    torch.save({"model": state}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"missing: sub\.3\.bias; surplus: sub\.4\.bias"):
        create_network("u2fusion", tmp_path / "other.pth")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in U2Fusion().parameters()) == 659_217


@pytest.mark.parametrize("options", [{"version": "tf"}, {"width": 0}, {"width": 4.0}])
def test_unknown_options_are_refused(options):
    with pytest.raises(InputError, match=f"{next(iter(options))} must be"):
        create_network("u2fusion", **options)


@torch.no_grad()
@pytest.mark.parametrize("version", FILES)
def test_components_and_further_sources(version, lively):
    """A source alone is on both inputs; a third is fused with what the first two gave."""
    network = lively("u2fusion", version=version, width=4)
    sources = torch.rand(2, 3, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(3):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)
    first = network(sources[:, :2])
    both = network(torch.stack([first, sources[:, 2]], 1))
    torch.testing.assert_close(network(sources), both, rtol=0, atol=1e-6)


@torch.no_grad()
def test_rd_scales_in_the_range_of_the_network(lively):
    """[−1, 1] in the port: twice 0 there is grey, not black."""
    network = lively("u2fusion", version="port", width=4)
    sources = torch.rand(1, 2, 1, 9, 12)
    rd = torch.rand(1, 1, 1, 9, 12)
    rd = torch.cat([rd, 1 - rd], 1)
    scaled = (2 * rd * (2 * sources - 1) + 1) / 2
    torch.testing.assert_close(network(sources, rd), network(scaled), rtol=0, atol=1e-6)


def test_the_authors_make_the_maximum_white(lively):
    """One range for all channels, after the colour is back; 0 stays black; not the port."""
    luma, chroma = torch.tensor([0.1, 0.5]).view(1, 1, 1, 2), torch.zeros(1, 2, 1, 2)
    authors = Fuser(lively("u2fusion", width=4), "vif")
    assert authors.viewable(luma, chroma)[0, :, 0].tolist() == [[51, 255]] * 3
    port = Fuser(lively("u2fusion", version="port", width=4), "mef")
    assert port.viewable(luma, chroma)[0, :, 0].tolist() == [[25, 127]] * 3
    chroma[:, 1] = 0.1
    picture = authors.viewable(luma, chroma)
    assert picture[0, 0].max() == 255
    assert picture[0, 1:].max() < 255
