"""What the networks say of their authors' checkpoints."""

import hashlib
import inspect
from typing import get_args

import pytest
import torch

from fusionlab.networks import NETWORKS, create_network, save_checkpoint
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.piafusion import IlluminationClassifier
from fusionlab.networks.published import Published, find_published
from fusionlab.settings import Task

PUBLISHED = [
    pytest.param(owner, entry, id=entry.file)
    for owner in (*NETWORKS.values(), IlluminationClassifier)
    for entry in owner.published
]


@pytest.mark.parametrize(("owner", "entry"), PUBLISHED)
def test_the_hash_is_that_of_the_authors_file(owner, entry, shared):
    if entry.sha256 is None:
        assert not list((shared / "weights").rglob(entry.file)), "now it can be computed"
        return
    found = list((shared / "weights").rglob(entry.file))
    if not found:  # parts that are one checkpoint together
        assert " and " in entry.file
        pytest.skip(f"{entry.file}: no single file")
    (path,) = found
    assert file_sha256(path) == entry.sha256


@pytest.mark.parametrize(("owner", "entry"), PUBLISHED)
def test_the_address_is_that_of_the_file(owner, entry):
    if entry.url is not None:
        assert entry.url.startswith("https://")
        assert entry.url.endswith(f"/{entry.file}")


@pytest.mark.parametrize("name", NETWORKS)
def test_published_options_are_options_of_the_network(name):
    for entry in NETWORKS[name].published:
        assert set(entry.options) <= set(inspect.signature(NETWORKS[name]).parameters)


@pytest.mark.parametrize("name", NETWORKS)
def test_who_publishes_weights_is_named_with_their_licence_and_tasks(name):
    network = NETWORKS[name]
    assert set(network.tasks) <= set(get_args(Task))
    if network.published:
        assert all((network.paper, network.licence, network.tasks))


def test_the_hash_decides_and_the_address_only_without_one():
    here, there = Published("a", url="here"), Published("b", sha256="12", url="there")
    assert find_published((here, there), "12") is there
    assert find_published((here, there), "34", "here") is here
    assert find_published((here, there), "34", "there") is None
    assert find_published((Published("c"),), "34") is None


@pytest.fixture
def unknown(lively, tmp_path):
    """Writes random weights in the authors' layout."""

    def write(name):
        torch.save(lively(name).state_dict(), tmp_path / "a.pth")
        return tmp_path / "a.pth"

    return write


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("ifcnn", "not one of the files published for ifcnn; loaded with rule=max, normalize=none"),
        ("piafusion", "no hash is on record of piafusion's fusion_model_epoch_29.pth"),
        (
            "cddfuse",
            "no hash is on record of cddfuse's CDDFuse_IVF.pth (residual=first), "
            "CDDFuse_MIF.pth (residual=none); loaded with residual=first",
        ),
    ],
)
def test_an_unknown_file_is_named_in_one_line(name, rest, unknown, capsys):
    path = unknown(name)
    create_network(name, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert capsys.readouterr().err == f"{path}: unknown SHA-256 {sha256[:8]}…; {rest}\n"


def test_our_own_files_are_not_unknown(lively, tmp_path, capsys):
    network = lively("ifcnn")
    save_checkpoint(network, tmp_path / "a.safetensors")
    create_network("ifcnn", tmp_path / "a.safetensors")
    hyper_parameters = {"fusionlab": "0", "network": "ifcnn", "options": network.options}
    weights = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save(
        {"hyper_parameters": hyper_parameters, "state_dict": weights}, tmp_path / "last.ckpt"
    )
    create_network("ifcnn", tmp_path / "last.ckpt")
    create_network("ifcnn", "bundled")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", ["ifcnn/IFCNN-MAX.pth", "densefuse/densefuse_rgb.model"])
def test_published_files_are_not_unknown(file, shared, capsys):
    create_network(file.split("/")[0], shared / "weights" / file)
    assert capsys.readouterr().err == ""
