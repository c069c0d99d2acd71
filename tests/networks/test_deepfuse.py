"""DeepFuse, the authors', Li's and the port, against the original programs and their pictures."""

import pytest
import torch

from fusionlab.data.images import read_image
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import load_weights, read_checkpoint
from fusionlab.networks.deepfuse import DeepFuse
from tests.conftest import bound
from tests.networks import contract, references
from tests.networks.formula import drawn_weights, value_checksum

FILES = {
    "authors": "DF_model_Epoch99.npz",
    "li": "hli1221_deepfuse_model_bs2_epoch4_all.npz",
}
SIZES = {"authors": 316_976, "li": 18_817, "port": 89_155}


@pytest.fixture(scope="module")
def published(shared):
    folder = shared / "weights" / "deepfuse"
    return {version: create_network("deepfuse", folder / file) for version, file in FILES.items()}


def official(name):
    return name.replace("encoder.", "").replace("decoder.", "")


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Weights by the formula of the references, in the port's layout."""
    network = create_network("deepfuse", version="port")
    shapes = {official(k): tuple(v.shape) for k, v in network.state_dict().items()}
    counters = [key for key in shapes if key.endswith("num_batches_tracked")]
    drawn = drawn_weights({k: v for k, v in shapes.items() if k not in counters}, 20170)
    assert value_checksum(drawn).startswith("2ee0b78a")
    path = tmp_path_factory.mktemp("port") / "latest.pth"
    counts = dict.fromkeys(counters, torch.tensor(0))
    torch.save({"model": {**drawn, **counts}, "loss": {"total": [1.0]}}, path)
    load_weights(network, read_checkpoint(path, DeepFuse.convert_published))
    return network


@torch.no_grad()
@pytest.mark.parametrize("name", ["house", "odd"])
def test_results_of_the_authors_program(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"deepfuse_{name}.npz")
    raw, network = expected.pop("raw_static"), published["authors"]
    references.assert_equal(
        references.computed(network, expected["sources"]), expected, bound(2e-6, 5e-6)
    )
    found = network.raw(network.combine(network.encode(expected["sources"])))
    torch.testing.assert_close(found, raw, rtol=0, atol=2e-6 * raw.max().item())


@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_li_s_graph(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"deepfuse_hli_{name}.npz")
    ours = references.computed(published["li"], expected["sources"])
    references.assert_equal(ours, expected, 1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["house", "odd"])
def test_results_of_the_port_s_modules(name, port, shared):
    expected = references.read(shared / "reference" / "networks" / f"deepfuse_formula_{name}.npz")
    references.assert_equal(references.computed(port, expected["sources"]), expected, 2e-6)


@pytest.mark.slow
def test_the_authors_picture(published, shared):
    """Before the colour; their input is luma of the studio range, as it stands in the file."""
    folder = shared / "reference" / "deepfuse_published"
    under, over, _ = read_image(folder / "forth4_pair.png").split(1)
    picture = Fuser(published["authors"], "mef")({"under": under, "over": over})
    theirs = references.levels(folder / "forth4_result.png")
    assert (picture.fused.int() - theirs).abs().max() <= 1


def test_li_s_picture(published, shared):
    folder = shared / "reference" / "deepfuse_published"
    pair = {"vi": folder / "hli_VIS1.png", "ir": folder / "hli_IR1.png"}
    picture = Fuser(published["li"], "vif")(pair)
    theirs = references.levels(folder / "hli_fused1_epoch4.png")
    assert (picture.fused.int() - theirs).abs().max() <= 1


@pytest.mark.parametrize("version", FILES)
def test_the_files_are_known(version, shared, capsys):
    network = create_network("deepfuse", shared / "weights" / "deepfuse" / FILES[version])
    assert network.version == version
    assert capsys.readouterr().err == ""


def test_files_must_be_whole(shared, tmp_path, port):
    import numpy as np

    with np.load(shared / "weights" / "deepfuse" / FILES["authors"]) as file:
        arrays = dict(file)
    arrays["arr_6"] = arrays.pop("arr_5")
    np.savez(tmp_path / "other.npz", **arrays)
    text = r"missing: decoder\.6\.weight; surplus: arr_6"
    with pytest.raises(InputError, match=text):
        create_network("deepfuse", tmp_path / "other.npz")
    arrays["arr_6"] = np.array([None])
    np.savez(tmp_path / "objects.npz", **arrays)
    with pytest.raises(InputError, match="more than weights"):
        create_network("deepfuse", tmp_path / "objects.npz")


@pytest.mark.parametrize("version", SIZES)
def test_sizes_are_the_authors(version):
    assert sum(p.numel() for p in DeepFuse(version).parameters()) == SIZES[version]


def test_an_unknown_version_is_refused():
    with pytest.raises(InputError, match="version must be one of authors, li, port, got 'lee'"):
        create_network("deepfuse", version="lee")


@torch.no_grad()
@pytest.mark.parametrize("version", ["authors", "port"])
def test_other_versions_keep_the_contract(version, lively):
    network = lively("deepfuse", version=version)
    for count in (1, 2, 3):
        sources = contract.make_sources(network, count, (9, 12))
        contract.assert_uniform_rd_is_static(network, sources)
        contract.assert_uniform_rd_is_static(network, sources, torch.float16)
    contract.assert_rd_matters(network, sources)
    contract.assert_a_batch_is_its_members(network, sources)
    contract.assert_components_are_the_network_alone(network, sources)
    # sums of some thousand products in another order
    torch.testing.assert_close(network(sources.flip(1)), network(sources), rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_authors_output_fills_the_range_whatever_the_scale_of_the_sources(published):
    sources = torch.rand(2, 2, 1, 20, 24)
    fused = published["authors"](sources)
    assert fused.amin((1, 2, 3)).tolist() == [0, 0]
    assert fused.amax((1, 2, 3)).tolist() == [1, 1]
    torch.testing.assert_close(published["authors"](sources / 4), fused, rtol=0, atol=1e-5)
    assert not published["authors"](torch.zeros(1, 2, 1, 8, 8)).any()
