"""PMGI against its authors' stored graphs."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.pmgi import PMGI
from tests.networks import references

FILES = {
    "vif": "IR_VI_CGAN.model-1.data-00000-of-00001",
    "mif": "Medical_CGAN.model-29.data-00000-of-00001",
    "mef": "Multi-exp_CGAN.model-9.data-00000-of-00001",
    "mff": "Multi-focus_CGAN.model-1.data-00000-of-00001",
}


def published(shared, task: str, **options: str) -> PMGI:
    return create_network("pmgi", shared / "weights" / "pmgi" / FILES[task], **options)


@torch.no_grad()
@pytest.mark.parametrize("name", ["vif_tno01", "vif_odd", "mef_house"])
def test_results_of_the_authors_graphs(name, shared):
    expected = references.read(shared / "reference" / "networks" / f"pmgi_{name}.npz")
    sources = expected["sources"]
    ours = references.computed(published(shared, name[:3]), sources)
    ours["static_trained_bn"] = published(shared, name[:3], norm="trained")(sources)
    references.assert_equal(ours, expected, 1e-4)


@pytest.mark.parametrize("task", FILES)
def test_the_files_are_known_and_are_the_variables_by_name(task, shared, capsys):
    network = published(shared, task)
    assert capsys.readouterr().err == ""
    named = create_network("pmgi", shared / "weights" / "pmgi" / f"pmgi_{task}.npz").state_dict()
    assert all(torch.equal(value, named[key]) for key, value in network.state_dict().items())


def test_a_file_must_be_whole(shared, tmp_path):
    content = (shared / "weights" / "pmgi" / FILES["vif"]).read_bytes()
    (tmp_path / FILES["vif"]).write_bytes(content + bytes(4))
    with pytest.raises(InputError, match="holds 42,402 values, 42,401 are wanted"):
        create_network("pmgi", tmp_path / FILES["vif"])


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in PMGI().parameters()) == 42_017


def test_an_unknown_norm_is_refused():
    with pytest.raises(InputError, match="norm must be one of recreated, trained, got 'none'"):
        create_network("pmgi", norm="none")


@torch.no_grad()
@pytest.mark.parametrize("norm", ["recreated", "trained"])
def test_evaluation_is_training_of_one_image(norm, lively):
    """The statistics are those of the image; a recreated norm has neither scale nor shift."""
    network = lively("pmgi", norm=norm)
    sources = torch.rand(1, 2, 1, 12, 15)
    fused = network(sources)
    if norm == "recreated":
        for name, parameter in network.named_parameters():
            if ".norm." in name:
                parameter.fill_(1 if name.endswith("weight") else 0)
    torch.testing.assert_close(network.train()(sources), fused, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("pmgi")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_pictures_are_stretched_and_do_not_depend_on_the_order_of_names(lively):
    fuser = Fuser(lively("pmgi"), "vif")
    vi, ir = torch.rand(2, 1, 9, 12)
    one, other = fuser({"vi": vi, "ir": ir}, "paper"), fuser({"ir": ir, "vi": vi}, "paper")
    assert torch.equal(one.fused, other.fused)
    assert (one.fused.min(), one.fused.max()) == (0, 255)
